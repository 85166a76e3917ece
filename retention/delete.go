package retention

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// errLocked tells that the store keeps an object that was deleted.
var errLocked = fmt.Errorf("the store gives it back after it was deleted: %w", fs.ErrPermission)

// set deletes a set.
func (a *applier) set(o *Outcome) {
	o.listed = true
	why, err := a.obstacle(o.set)
	switch {
	case err != nil:
		o.end(err)
		return
	case why != "":
		o.Action, o.Reason = Kept, why
		return
	}
	name := o.set.Path(manifest.Name)
	if err := a.remove(name); err != nil {
		o.end(err)
		return
	}
	// Where objects are locked some stores say that they are deleted.
	if _, err := a.content(name); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s: %w", name, errLocked)
		}
		o.end(err)
		return
	}
	o.listed = false
	if err := a.remove(o.set.Path(manifest.SealName)); err != nil {
		o.end(err)
		return
	}
	names := make([]string, len(o.set.Objects))
	for i, obj := range o.set.Objects {
		names[i] = o.set.Path(obj.Name)
	}
	o.end(a.empty(o.Path, names))
}

// obstacle says why a set must stay after all, "" if it may go.
func (a *applier) obstacle(m *manifest.Manifest) (why string, err error) {
	a.mu.Lock()
	for _, id := range a.dependents[m.ID] {
		if a.stay[id] {
			why = id + " needs it and stays"
		}
	}
	a.mu.Unlock()
	if why != "" {
		return why, nil
	}
	var text []byte
	if text, err = a.content(m.Path(manifest.Name)); errors.Is(err, fs.ErrNotExist) {
		return "its manifest is gone: something else deletes it, or repairs it", nil
	} else if err != nil {
		return "", err
	}
	want, err := m.SHA256()
	if sum := sha256.Sum256(text); err != nil || hex.EncodeToString(sum[:]) != want {
		return "its manifest is another than the one planned for", err
	}
	objects, err := a.list(m.Path(""))
	if err != nil {
		return "", err
	}
	for _, obj := range objects {
		within := obj.Name[len(m.Path("")):]
		if _, ok := m.Object(within); !ok && within != manifest.Name && within != manifest.SealName {
			return fmt.Sprintf("its folder holds what it does not know: move %s away, or delete it", obj.Name), nil
		}
	}
	var hold *manifest.Hold
	err = a.do(func() (err error) {
		hold, err = manifest.HoldOf(a.ctx, a.sink, m.ID, a.Trust)
		return err
	})
	if hold != nil {
		why = "held meanwhile: " + hold.Reason
	}
	return why, err
}

// stray deletes what is left of a run that died, if it still is that: all of it
// silent for the grace, by the sink's clock too, which may be unknown.
func (a *applier) stray(o *Outcome, now time.Time, unknown error) {
	if unknown != nil {
		o.Action, o.Reason = Kept, "its age is not known: "+unknown.Error()
		return
	}
	objects, err := a.list(o.Path)
	if err != nil {
		o.end(err)
		return
	}
	var names []string
	for _, obj := range objects {
		switch {
		case obj.Name == o.Path+manifest.Name:
			o.Action, o.Reason = Kept, "it has a manifest by now"
			return
		case now.Sub(obj.ModTime) <= a.plan.grace:
			o.Action, o.Reason = Kept, fmt.Sprintf("%s is too new by the sink's clock", obj.Name)
			return
		}
		names = append(names, obj.Name)
	}
	o.end(a.empty(o.Path, names))
}

// proof deletes the result of a test, unless it would change what is known of
// a set that stays after all.
func (a *applier) proof(o *Outcome) {
	if o.last && a.stay[o.proof.Set] {
		o.Action, o.Reason = Kept, o.proof.Set+" stays"
		return
	}
	o.end(a.do(func() error { return o.proof.Delete(a.ctx, a.sink) }))
}

// empty deletes objects of a folder, and makes sure that they are gone.
func (a *applier) empty(folder string, names []string) error {
	var g errgroup.Group
	g.SetLimit(a.Jobs)
	ours := make(map[string]bool, len(names))
	for _, name := range names {
		ours[name] = true
		g.Go(func() error { return a.remove(name) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	left, err := a.list(folder)
	for _, obj := range left {
		if ours[obj.Name] {
			return fmt.Errorf("%s: %w", obj.Name, errLocked)
		}
	}
	return err
}

func (a *applier) remove(name string) error {
	return a.do(func() error { return a.sink.Delete(a.ctx, name) })
}

func (a *applier) list(folder string) (objects []remote.Object, err error) {
	err = a.do(func() error {
		for obj, err := range a.sink.List(a.ctx, folder) {
			if err != nil {
				return fmt.Errorf("listing %s: %w", folder, err)
			}
			objects = append(objects, obj)
		}
		return nil
	})
	return objects, err
}

// content reads a manifest.
func (a *applier) content(name string) (text []byte, err error) {
	err = a.do(func() error {
		r, err := a.sink.Get(a.ctx, name)
		if err != nil {
			return err
		}
		text, err = io.ReadAll(io.LimitReader(r, manifest.MaxSize+1))
		return errors.Join(err, r.Close())
	})
	return text, err
}
