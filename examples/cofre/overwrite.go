package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/restore"
)

// overwriting is what the commands share that overwrite what a database holds,
// and back that up first.
type overwriting struct {
	Safety sink `placeholder:"PATH|URL" help:"Where the safety backups are that are taken before something is overwritten. By default the first --sink."`
	keyring
	LockTimeout time.Duration `placeholder:"TIME" help:"How long to wait for those who use what is overwritten, such as 30s or 5m. By default 1m."`
}

// Validate refuses what the library takes for ever.
func (o *overwriting) Validate() error {
	if o.LockTimeout < 0 {
		return fmt.Errorf("--lock-timeout is %v: want some time, such as 30s or 5m", o.LockTimeout)
	}
	return nil
}

// secure says where safety backups go, and makes sure that they are kept as
// well as the backup that is restored.
func (o *overwriting) secure(ctx context.Context, c *console, f *found, r *restore.Restorer) (err error) {
	opts := &backup.Options{Logger: c.log}
	if err := o.readKeys(opts); err != nil {
		return err
	}
	encrypted := false
	for _, object := range f.set.Objects {
		encrypted = encrypted || strings.HasSuffix(object.Name, ".age")
	}
	switch {
	case encrypted && len(opts.Recipients) == 0:
		return usageError(fmt.Sprintf("%s is encrypted, and the safety backup of what is overwritten would not be: say with --recipient or --recipients-file who can open it", f.set.ID))
	case !trusted(opts.Seal, f.trust):
		return usageError("--trust is used here, and so the safety backup would not count: sign it with the --seal-key of one of those keys")
	}
	r.SafetyOptions = opts
	if o.Safety.url != nil {
		r.Safety, err = o.Safety.open(ctx, true)
	}
	return err
}

// undo is the way back from what was overwritten.
type undo struct {
	Safety  string `json:"safety"`  // the safety backup
	Command string `json:"command"` // for a shell
}

// undoOf returns nil where there is nothing to go back to.
func undoOf(parsed *kong.Context, safety string) *undo {
	if safety == "" {
		return nil
	}
	return &undo{safety, rollbackLine(parsed, safety)}
}

func (u *undo) writeText(w io.Writer) error {
	if u == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "What was there before is in safety backup %s; to bring it back:\n  %s\n", u.Safety, u.Command)
	return err
}

// rollbackLine is the command that goes back to a safety backup, with those
// flags of the present one that were typed: the others come again from where
// they came.
func rollbackLine(parsed *kong.Context, safety string) string {
	words := []string{"cofre", "rollback"}
	var known []string
	for _, node := range parsed.Model.Children {
		if node.Name == "rollback" {
			for _, group := range node.AllFlags(true) {
				for _, flag := range group {
					known = append(known, flag.Name)
				}
			}
		}
	}
	known = slices.DeleteFunc(known, func(name string) bool { return name == "confirm" || name == "json" })
	for _, p := range parsed.Path {
		if p.Flag == nil || p.Resolved || !slices.Contains(known, p.Flag.Name) {
			continue
		}
		known = slices.DeleteFunc(known, func(name string) bool { return name == p.Flag.Name }) // of a repeated one all are told at once
		values := p.Flag.Target
		if values.Kind() != reflect.Slice {
			words = append(words, "--"+p.Flag.Name, word(values))
			continue
		}
		for i := range values.Len() {
			words = append(words, "--"+p.Flag.Name, word(values.Index(i)))
		}
	}
	return strings.Join(append(words, safety), " ")
}

// word is a flag's value as it would be typed.
func word(value reflect.Value) string {
	text := fmt.Sprint(value.Interface())
	if s, ok := value.Interface().(sink); ok {
		text = s.typed()
	}
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// plainWord is what means nothing else to a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,-]+$`)
