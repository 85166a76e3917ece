package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
)

// undoName is the object of a safety set that says what a rollback to it has to
// undo, before what compression and encryption add to the name.
const undoName = "undo.json"

// undo says what the restore is about to change for which a safety set is
// taken. Rolling back removes what that restore brings, and brings back what it
// replaces; the rest of the safety set is left alone.
type undo struct {
	Set          string      `json:"set"`                     // that is about to be restored
	Whole        bool        `json:"whole,omitempty"`         // all of it is, not only chosen tables
	Replaced     []catalogID `json:"replaced,omitempty"`      // in the catalogs that the safety set was read from
	Users        []object    `json:"users,omitempty"`         // user mappings that it replaces: their entries have no row
	Public       bool        `json:"public,omitempty"`        // the schema public as well
	NoPublic     bool        `json:"no_public,omitempty"`     // which the restore creates
	Created      []object    `json:"created,omitempty"`       // by the restore, where nothing of that name is
	LargeObjects []int64     `json:"large_objects,omitempty"` // OIDs that the restore replaces or creates
	Unfinished   *Unfinished `json:"unfinished,omitempty"`    // what the database was left in: so will the rollback leave it
}

// safetySink is where safety sets go, and where a rollback finds them.
func (r *Restorer) safetySink() remote.RemoteSink {
	if r.Safety != nil {
		return r.Safety
	}
	return r.Sink
}

// checkSafety refuses what would make a safety set less safe than the set that
// is restored.
func (r *Restorer) checkSafety(set *manifest.Manifest) error {
	if len(r.Trust) > 0 && (r.SafetyOptions == nil || r.SafetyOptions.Seal == nil) {
		return errors.New("restore: seals are looked at, and Restorer.SafetyOptions has no Seal: the safety backup could not be rolled back to")
	}
	if r.SafetyOptions != nil {
		return nil
	}
	for _, o := range set.Objects {
		if codec.Encrypted(o.Name) {
			return fmt.Errorf("restore: set %s is encrypted, and the safety backup would not be: give Restorer.SafetyOptions its Recipients", set.ID)
		}
	}
	return nil
}

// takeSafety backs up what a restore of set is about to change, and returns the
// ID of the safety set. edit chooses what is backed up. Run proves the set: it
// counts each table in the snapshot, and reads back every stored byte unless
// the store is known to have checked it.
//
// The caller keeps writers away from the tables from before the call until they
// are replaced, by locks that let readers pass (EXCLUSIVE): what was written in
// between would be lost.
func (r *Restorer) takeSafety(ctx context.Context, set *manifest.Manifest, u *undo, edit func(*backup.Dumper)) (id string, err error) {
	var opts backup.Options
	if r.SafetyOptions != nil {
		opts = *r.SafetyOptions
	}
	if opts.ShrinkLimit == 0 {
		opts.ShrinkLimit = -1 // a damaged database may well have shrunk
	}
	opts.Purpose = manifest.Safety
	if opts.Logger == nil {
		opts.Logger = r.Logger
	}
	d := backup.Dumper{Config: r.Target}
	if set.Database != nil && set.Database.Name == r.Target.Database {
		d.Name = set.Source
	}
	if edit != nil {
		edit(&d)
	}
	res, err := backup.Run(ctx, r.safetySink(), &safetySource{d, u}, &opts)
	if res != nil {
		id = res.ID
	}
	if err != nil {
		return id, fmt.Errorf("taking the safety backup: %w", err)
	}
	r.logger().Info("safety backup taken", "set", id, "database", r.Target.Database)
	return id, nil
}

// safetySource is a database and what a rollback to it has to undo.
type safetySource struct {
	backup.Dumper
	undo *undo
}

var _ backup.Source = (*safetySource)(nil)

func (s *safetySource) Backup(ctx context.Context, w *backup.Writer) error {
	if err := s.Dumper.Backup(ctx, w); err != nil {
		return err
	}
	data, err := json.Marshal(s.undo)
	if err != nil {
		return err
	}
	_, err = w.Put(ctx, undoName, func(w io.Writer) error { _, err := w.Write(data); return err })
	return err
}

// readUndo reads what a rollback to a safety set has to undo.
func readUndo(ctx context.Context, s proof.Set) (*undo, error) {
	name, ok := proof.Stored(s.Manifest, undoName)
	if !ok {
		return nil, fmt.Errorf("restore: set %s does not say what a rollback to it would undo: it was not taken by a restore", s.ID)
	}
	o, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	data, err := io.ReadAll(io.LimitReader(o, manifest.MaxContentsSize))
	if err != nil {
		return nil, err
	}
	u := new(undo)
	if err := json.Unmarshal(data, u); err != nil {
		return nil, &proof.DamageError{Set: s.ID, Object: name, Err: err}
	}
	return u, nil
}
