package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// stateName is the object with what the next incremental needs.
const stateName = "state.json"

// maxState is the most that a state may take uncompressed, in bytes: some 200
// million buckets, of about a hundred rows each, are never recorded.
const maxState = 1 << 30

// stateFormat is the format that this package writes, and the only one that it
// reads: with another, the next backup is a full one.
const stateFormat = 1

// state is what a set tells the incremental that builds on it. It holds no row:
// of the keys, sums only.
type state struct {
	Format    int          `json:"format"`
	Selection string       `json:"selection"` // what the Dumper leaves out, hashed
	Encoding  string       `json:"encoding"`  // of the rows' text
	Monetary  string       `json:"monetary"`  // lc_monetary, as money's text depends on it
	Started   time.Time    `json:"started"`   // when the server was
	Tables    []tableState `json:"tables"`
}

// tableState is a table whose rows are recorded by buckets.
type tableState struct {
	OID    uint32        `json:"oid"`
	Schema string        `json:"schema"`
	Name   string        `json:"name"`
	Shape  string        `json:"shape"`
	Key    *manifest.Key `json:"key,omitempty"`  // nil: all rows are one bucket
	Sums   []byte        `json:"sums,omitempty"` // as delta.Sums has them; nil: the same as in the set that In names
	In     string        `json:"in,omitempty"`
	Clock  []string      `json:"clock,omitempty"` // columns that tell of changes, instead of transactions
	Mark   string        `json:"mark,omitempty"`  // from which the next run picks rows by them

	sums delta.Sums // once it was read
}

// geometry is how the table's keys are divided into buckets.
func (t *tableState) geometry() delta.Geometry { return geometryOf(t.Key) }

func geometryOf(k *manifest.Key) delta.Geometry {
	if k == nil {
		return delta.Geometry{Buckets: 1}
	}
	return delta.Geometry{Buckets: k.Buckets, Shift: k.Shift, Kinds: k.Kinds}
}

// columns is how many columns the key has.
func (t *tableState) columns() int {
	if t.Key == nil {
		return 0
	}
	return len(t.Key.Columns)
}

// selectionHash tells whether two dumps choose alike.
func (d *Dumper) selectionHash() (string, error) {
	b, err := json.Marshal([][]string{d.Schemas, d.ExcludeSchemas, d.Tables, d.ExcludeTables, d.ExcludeTableData})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}

// errNoState tells that a set cannot be built upon.
var errNoState = errors.New("it has no record of its rows for incrementals: it was encrypted without Options.StateKey, or taken with NoState")

// ancestry reads the states of a chain of sets.
type ancestry struct {
	w      *Writer
	chain  []*manifest.Manifest // the nearest first
	states map[string]*state    // by set
}

// read returns the state of a set of the chain.
func (a *ancestry) read(ctx context.Context, id string) (*state, error) {
	if s := a.states[id]; s != nil {
		return s, nil
	}
	for _, m := range a.chain {
		if m.ID == id {
			s, err := a.w.readState(ctx, m)
			if err != nil {
				return nil, fmt.Errorf("the state of %s: %w", id, err)
			}
			a.states[id] = s
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s is not in the chain", id)
}

// resolve reads the sums of a table, from the set that has them.
func (a *ancestry) resolve(ctx context.Context, t *tableState) (err error) {
	from := t
	if t.Sums == nil && t.In != "" {
		s, err := a.read(ctx, t.In)
		if err != nil {
			return err
		}
		if from = s.table(t.OID); from == nil || from.Sums == nil {
			return fmt.Errorf("the state of %s lacks a table that a later one refers to", t.In)
		}
	}
	t.sums, err = delta.ParseSums(from.Sums, t.geometry().Buckets)
	return err
}

func (s *state) table(oid uint32) *tableState {
	for i := range s.Tables {
		if s.Tables[i].OID == oid {
			return &s.Tables[i]
		}
	}
	return nil
}

// readState reads a set's state from the first sink that is in use.
func (w *Writer) readState(ctx context.Context, m *manifest.Manifest) (*state, error) {
	set := proof.Set{Manifest: m, Sink: w.whole()[0].sink}
	if w.opts.StateKey != nil {
		set.Identities = []age.Identity{w.opts.StateKey}
	}
	name, ok := proof.Stored(m, stateName)
	if !ok {
		return nil, errNoState
	}
	if obj, _ := m.Object(name); obj.Raw > maxState {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", obj.Raw, maxState)
	}
	obj, err := set.Open(ctx, name)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, errors.New("Options.StateKey does not open it: it was written with another")
	}
	var none *proof.IdentityError
	if errors.As(err, &none) {
		return nil, errors.New("it is encrypted, and there is no Options.StateKey to open it with")
	}
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	return decodeState(obj)
}

// decodeState reads a state and checks what can be checked of it alone.
func decodeState(r io.Reader) (*state, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	s := new(state)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, err
	}
	if s.Format != stateFormat {
		return nil, fmt.Errorf("format %d, this program reads %d", s.Format, stateFormat)
	}
	for i := range s.Tables {
		if err := s.Tables[i].geometry().Check(s.Tables[i].columns()); err != nil {
			return nil, fmt.Errorf("table %d: %w", s.Tables[i].OID, err)
		}
	}
	return s, nil
}

// write encodes the state.
func (s *state) write(w io.Writer) error { return json.NewEncoder(w).Encode(s) }
