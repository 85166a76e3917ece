package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
)

// defaultConfig is read if it is there and no other is named.
const defaultConfig = "/etc/cofre.toml"

// profile names a table of the configuration file.
type profile string

// config is a configuration file, as one profile sees it. Each key is the name
// of a flag, of whatever command. The command line and the environment outweigh
// it.
type config struct {
	file     string
	flags    map[string]*kong.Flag // one of each name
	common   map[string]setting
	profiles map[string]map[string]setting
	chosen   map[string]setting // of the profile, if there is one
}

var _ kong.Resolver = (*config)(nil)

// setting is the value of a key.
type setting struct {
	value any // as package toml decodes it
	line  int
}

// BeforeResolve reads the configuration file, once it is known which.
func (*grammar) BeforeResolve(ctx *kong.Context, c *console) error {
	var name file
	var p profile
	for _, flag := range ctx.Model.Flags {
		switch v := ctx.FlagValue(flag).(type) {
		case file:
			name = v
		case profile:
			p = v
		}
	}
	ctx.Bind(p)
	cfg := &config{file: cmp.Or(string(name), defaultConfig), flags: map[string]*kong.Flag{}}
	info, err := os.Stat(cfg.file)
	if name == "" && errors.Is(err, fs.ErrNotExist) {
		if p != "" {
			return fmt.Errorf("--profile=%s: there is no configuration file %s: name yours with --config", p, cfg.file)
		}
		return nil
	}
	text, err := os.ReadFile(cfg.file)
	if name == "" && p == "" && errors.Is(err, fs.ErrPermission) {
		c.log.Warn("the configuration file may not be read, and so does not count", "file", cfg.file)
		return nil
	}
	if err == nil {
		err = cfg.parse(string(text), ctx.Model.Node)
	}
	if err == nil {
		err = cfg.choose(string(p))
	}
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 && cfg.holdsPassword() {
		c.log.Warn("others than its owner may read the configuration file, which holds a password", "file", cfg.file, "instead", "chmod 600 "+cfg.file)
	}
	ctx.AddResolver(cfg)
	return nil
}

// parse reads the file and makes sure that all keys are flags.
func (c *config) parse(text string, app *kong.Node) error {
	c.know(app)
	var top map[string]toml.Primitive
	meta, err := toml.Decode(text, &top)
	if wrong := (toml.ParseError{}); errors.As(err, &wrong) {
		return fmt.Errorf("%s:%d: %s", c.file, wrong.Position.Line, wrong.Message)
	} else if err != nil {
		return fmt.Errorf("%s: %w", c.file, err)
	}
	c.profiles = map[string]map[string]setting{}
	for _, name := range slices.Sorted(maps.Keys(top)) {
		if c.flags[name] != nil || meta.Type(name) != "Hash" {
			continue
		}
		var keys map[string]toml.Primitive
		if err := meta.PrimitiveDecode(top[name], &keys); err != nil {
			return fmt.Errorf("%s: %w", c.file, err)
		}
		if c.profiles[name], err = c.settings(&meta, keys); err != nil {
			return err
		}
		delete(top, name)
	}
	c.common, err = c.settings(&meta, top)
	return err
}

// know collects the flags of all commands.
func (c *config) know(node *kong.Node) {
	for _, flag := range node.Flags {
		c.flags[flag.Name] = flag
	}
	for _, child := range node.Children {
		c.know(child)
	}
}

// settings decodes what one table holds, in the order of its names.
func (c *config) settings(meta *toml.MetaData, keys map[string]toml.Primitive) (map[string]setting, error) {
	all := map[string]setting{}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		s := setting{line: lineOf(meta, keys[name])}
		switch flag := c.flags[name]; {
		case flag == nil:
			return nil, fmt.Errorf("%s:%d: no command has a flag --%s%s", c.file, s.line, name, didYouMean(name, maps.Keys(c.flags)))
		case flag.Tag.Get("file") == "no":
			return nil, fmt.Errorf("%s:%d: --%s belongs on the command line", c.file, s.line, name)
		}
		if err := meta.PrimitiveDecode(keys[name], &s.value); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", c.file, s.line, err)
		}
		all[name] = s
	}
	return all, nil
}

// lineOf returns the line of a key, which package toml tells only with an error.
func lineOf(meta *toml.MetaData, key toml.Primitive) int {
	var wrong toml.ParseError
	errors.As(meta.PrimitiveDecode(key, &refusal{}), &wrong)
	return wrong.Position.Line
}

// refusal is what nothing can be decoded to.
type refusal struct{}

func (*refusal) UnmarshalTOML(any) error { return errors.New("refused") }

// choose chooses a profile.
func (c *config) choose(name string) error {
	chosen, ok := c.profiles[name]
	switch {
	case ok || name == "":
		c.chosen = chosen
		return nil
	case len(c.profiles) == 0:
		return fmt.Errorf("%s has no profiles, that is, tables: [%s] is none", c.file, name)
	}
	return fmt.Errorf("%s has no profile %q%s; it has %q", c.file, name, didYouMean(name, maps.Keys(c.profiles)), slices.Sorted(maps.Keys(c.profiles)))
}

// holdsPassword tells whether there is one, for whatever profile.
func (c *config) holdsPassword() bool {
	for _, settings := range append(slices.Collect(maps.Values(c.profiles)), c.common) {
		for name, s := range settings {
			if _, ok := c.flags[name].Target.Addr().Interface().(*database); !ok {
				continue
			}
			var d database
			if text, ok := s.value.(string); ok && d.UnmarshalText([]byte(text)) == nil && d.password {
				return true
			}
		}
	}
	return false
}

// Validate has nothing to do: what is wrong was found when the file was read.
func (*config) Validate(*kong.Application) error { return nil }

// Resolve returns what the file says about a flag, nil for nothing.
func (c *config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if slices.ContainsFunc(flag.Envs, func(name string) bool { _, set := os.LookupEnv(name); return set }) {
		return nil, nil // which kong would have a resolver outweigh
	}
	s, ok := c.chosen[flag.Name]
	if !ok {
		s, ok = c.common[flag.Name]
	}
	if !ok {
		return nil, nil
	}
	value, err := s.of(flag)
	if err == nil { // decoded here as well, as kong's error would not name the file
		err = flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: kong.Scan().PushTyped(value, kong.FlagValueToken)},
			reflect.New(flag.Target.Type()).Elem())
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", c.file, s.line, err)
	}
	return value, nil
}

// of returns the value in a form that the flag can be parsed from.
func (s setting) of(flag *kong.Flag) (any, error) {
	many, isArray := s.value.([]any)
	pairs, isTable := s.value.(map[string]any)
	switch kind := flag.Target.Kind(); {
	case kind == reflect.Slice:
		if !isArray {
			many = []any{s.value}
		}
		texts := []any{}
		for _, one := range many {
			text, err := textOf(one)
			if err != nil {
				return nil, err
			}
			texts = append(texts, text)
		}
		return texts, nil
	case kind == reflect.Map && isTable:
		return pairs, nil
	case kind == reflect.Map:
		return nil, errors.New("want a table, such as {old = \"new\"}")
	}
	return textOf(s.value)
}

// textOf returns a single value as it would stand on the command line.
func textOf(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", errors.New("want one text, number, true or false")
}

// didYouMean offers the names that are nearly the one that was typed.
func didYouMean(typed string, names func(func(string) bool)) string {
	var near []string
	for name := range names {
		if distance(typed, name) <= 1+len(typed)/4 {
			near = append(near, name)
		}
	}
	if len(near) == 0 {
		return ""
	}
	slices.Sort(near)
	return ": did you mean " + strings.Join(near, " or ") + "?"
}

// distance is how many bytes must be added, removed or changed to come from a
// to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
