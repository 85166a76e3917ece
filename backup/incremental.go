package backup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Defaults of [Incremental].
const (
	DefaultFullEvery   = 7 * 24 * time.Hour
	DefaultMaxChain    = 168
	DefaultProveWithin = 24
)

// Incremental is the [Source] of one PostgreSQL database, like the [Dumper] that
// it embeds, which stores what changed since the newest good backup of that
// source. It needs no rights and no settings beyond the Dumper's. Where there is
// nothing to build upon, or no certainty about it, the run is a full backup, and
// a warning says why. So is the first after a restart of the server, and on another
// standby than before: nothing tells these from a copy of the database that goes
// on by itself.
//
// What changed is told by transactions: a row is stored again if the transaction
// that wrote it was not over when the parent's snapshot was taken. What was
// deleted is told by counts and sums of the keys in small buckets; a bucket that
// lost rows is stored with the keys that are left. Tables without a key (primary,
// or a unique index over columns that are NOT NULL) are stored whole unless
// nothing was written to them, and so are those whose definition changed.
//
// It holds no state: the chain of sets in the sink is all it knows.
type Incremental struct {
	Dumper

	// FullEvery is the age at which the chain's full backup is followed by a new
	// one. 0 means 7 days; negative: age does not matter.
	FullEvery time.Duration

	// MaxChain is how many incrementals follow a full backup at most. 0 means
	// 168, a week of hours. A full backup is taken as well once they take half of
	// the space of theirs.
	MaxChain int

	// Prove reads every row in every run and records its content, so that a
	// restore proves all of it. Otherwise a run does so with a part of the rows.
	Prove bool

	// ProveWithin is the number of runs within which the content of every row is
	// recorded once. 0 means 24. Counts and keys are recorded of all rows always.
	ProveWithin int

	// Watermarks are tables whose changes are told by columns of theirs.
	Watermarks []Watermark
}

var _ Source = (*Incremental)(nil)

// Backup writes an incremental set of the database, or a full one.
func (i *Incremental) Backup(ctx context.Context, w *Writer) error {
	if i.MaxChain < 0 || i.ProveWithin < 0 {
		return errors.New("backup: Incremental.MaxChain and ProveWithin must not be negative")
	}
	if err := i.checkWatermarks(); err != nil {
		return err
	}
	a, why := i.ancestry(ctx, w)
	return i.backup(ctx, w, &lineage{Incremental: i, ancestry: a, promotion: why})
}

// lineage is what an incremental run builds upon, or why it does not.
type lineage struct {
	*Incremental
	ancestry  *ancestry
	promotion *promotion // nil: an incremental
}

// promotion is why a run is a full backup instead.
type promotion struct {
	reason  string
	planned bool // nothing that an operator needs to look at
}

func promote(format string, args ...any) *promotion {
	return &promotion{reason: fmt.Sprintf(format, args...)}
}

// ancestry chooses the set to build upon, and reads its state.
func (i *Incremental) ancestry(ctx context.Context, w *Writer) (*ancestry, *promotion) {
	if len(w.opts.Recipients) > 0 && w.opts.StateKey == nil {
		return nil, promote("backups are encrypted and there is no Options.StateKey, without which nothing can build on them")
	}
	if i.NoState {
		return nil, promote("Dumper.NoState leaves nothing to build upon")
	}
	chain, why := i.chain(w.History(), w.opts.Now())
	if why != nil {
		return nil, why
	}
	a := &ancestry{w: w, chain: chain, states: map[string]*state{}}
	s, err := a.read(ctx, chain[0].ID)
	if err != nil {
		return nil, promote("%v", err)
	}
	if selection, err := i.selectionHash(); err != nil || s.Selection != selection {
		return nil, promote("%s was taken with other patterns of schemas and tables", chain[0].ID)
	}
	return a, nil
}

// chain is the good set with the newest data and all that it builds on, nearest
// first.
func (i *Incremental) chain(history *manifest.Inventory, now time.Time) ([]*manifest.Manifest, *promotion) {
	byID := map[string]*manifest.Manifest{}
	var newest *manifest.Manifest
	for _, m := range history.Sets { // by start
		byID[m.ID] = m
		if m.Good() && m.Purpose != manifest.Safety && (m.Kind == manifest.Full || m.Kind == manifest.Incremental) &&
			(newest == nil || !m.DataTime.Before(newest.DataTime)) {
			newest = m
		}
	}
	if newest == nil {
		return nil, &promotion{reason: "there is no good backup of this source yet", planned: true}
	}
	chain := []*manifest.Manifest{newest}
	var size int64
	for m := newest; m.Kind == manifest.Incremental; {
		size += m.StoredSize()
		p := m.Parents[0]
		parent := byID[p.ID]
		if parent == nil {
			return nil, promote("%s, which %s builds on, is missing or damaged", p.ID, m.ID)
		}
		if sum, err := parent.SHA256(); err != nil || sum != p.SHA256 {
			return nil, promote("%s is not as it was when %s was built on it", p.ID, m.ID)
		}
		if len(chain) > len(history.Sets) {
			return nil, promote("the sets that %s builds on go round in a circle", newest.ID)
		}
		chain = append(chain, parent)
		m = parent
	}
	full := chain[len(chain)-1]
	switch {
	case full.Kind != manifest.Full:
		return nil, promote("%s builds on %s, which is no backup of a database", newest.ID, full.ID)
	case i.fullEvery() > 0 && now.Sub(full.Start) >= i.fullEvery():
		return nil, &promotion{reason: fmt.Sprintf("%s is %v old, a full backup is due every %v",
			full.ID, now.Sub(full.Start).Round(time.Minute), i.fullEvery()), planned: true}
	case len(chain)-1 >= i.maxChain():
		return nil, &promotion{reason: fmt.Sprintf("%d incrementals follow %s, as many as may", len(chain)-1, full.ID), planned: true}
	case size > full.StoredSize()/2 && len(chain) > 1:
		return nil, &promotion{reason: fmt.Sprintf("the incrementals after %s take more than half of its space", full.ID), planned: true}
	}
	return chain, nil
}

func (i *Incremental) fullEvery() time.Duration {
	if i.FullEvery == 0 {
		return DefaultFullEvery
	}
	return i.FullEvery
}

func (i *Incremental) maxChain() int {
	if i.MaxChain == 0 {
		return DefaultMaxChain
	}
	return i.MaxChain
}

func (i *Incremental) proveWithin() int {
	switch {
	case i.Prove:
		return 1
	case i.ProveWithin == 0:
		return DefaultProveWithin
	}
	return i.ProveWithin
}

// mostTransactions is how far apart two transactions may be to be told apart by
// the 32 bits that a row has of its own, less what may happen while a run reads.
const mostTransactions = 1<<31 - 1<<26

// otherHistory compares the parent's database with the one that was connected
// to, and returns what shows that the parent is no earlier state of it.
func otherHistory(parent *manifest.Manifest, now *pgsession.Info) *promotion {
	was := parent.Database
	if was == nil {
		return promote("%s does not say which database it is of", parent.ID)
	}
	before, err := parseSnapshot(was.Snapshot)
	if err != nil {
		return promote("%s: %v", parent.ID, err)
	}
	snapshot, err := parseSnapshot(now.Snapshot)
	if err != nil {
		return promote("%v", err)
	}
	lsnBefore, err1 := pgsession.ParseLSN(was.LSN)
	lsn, err2 := pgsession.ParseLSN(now.LSN)
	switch {
	case err1 != nil || err2 != nil:
		return promote("%s: positions in the log %.40q and %.40q cannot be compared", parent.ID, was.LSN, now.LSN)
	case was.ServerVersion/10000 != now.Version/10000:
		return promote("the server was release %d at %s, and is %d", was.ServerVersion/10000, parent.ID, now.Version/10000)
	case was.SystemID != now.SystemID:
		return promote("this is another database cluster than that of %s (system identifier %s, was %s)", parent.ID, now.SystemID, was.SystemID)
	case was.OID != now.DatabaseOID:
		return promote("this is another database than that of %s (OID %d, was %d)", parent.ID, now.DatabaseOID, was.OID)
	case was.Timeline != now.Timeline:
		return promote("the server is on timeline %d, and was on %d at %s: a standby was promoted, or a backup restored", now.Timeline, was.Timeline, parent.ID)
	case lsn < lsnBefore:
		return promote("the server's log is at %s, behind the %s of %s: an older state of it was brought back, or this standby lags", now.LSN, was.LSN, parent.ID)
	case snapshot.xmax < before.xmax:
		return promote("the server's transactions are at %d, behind the %d of %s: an older state of it was brought back", snapshot.xmax, before.xmax, parent.ID)
	case snapshot.xmax-before.xmin >= mostTransactions:
		return promote("%d transactions have been since %s, more than can be told apart", snapshot.xmax-before.xmin, parent.ID)
	}
	return nil
}

// otherServer tells whether the server was started since. What goes on then may
// be a copy of it, from before the parent, with the same identifiers and by now
// as many transactions: a bucket to which both wrote has no sum that shows it,
// and two that do the same work give the same numbers to the same keys.
func (s *state) otherServer(now *pgsession.Info) *promotion {
	if s.Started.Equal(now.Started) {
		return nil
	}
	return promote("the server was started at %s, that of the backup before at %s: nothing tells a server that was restarted from a copy of it that goes on by itself",
		now.Started.UTC().Format(time.DateTime), s.Started.UTC().Format(time.DateTime))
}

// otherText compares what the text of rows depends on.
func (s *state) otherText(now *pgsession.Info) *promotion {
	switch {
	case s.Encoding != now.ClientEncoding:
		return promote("text was read as %.40s, and is read as %s", s.Encoding, now.ClientEncoding)
	case s.Monetary != now.LCMonetary:
		return promote("lc_monetary was %.40q, and is %q: sums of money have another text", s.Monetary, now.LCMonetary)
	}
	return nil
}

// snapshot is what pg_current_snapshot says: transactions below xmin are over,
// those from xmax on had not begun.
type snapshot struct{ xmin, xmax uint64 }

func parseSnapshot(text string) (s snapshot, err error) {
	fields := strings.SplitN(text, ":", 3)
	if len(fields) == 3 {
		if s.xmin, err = strconv.ParseUint(fields[0], 10, 64); err == nil {
			s.xmax, err = strconv.ParseUint(fields[1], 10, 64)
		}
	}
	if len(fields) != 3 || err != nil || s.xmin > s.xmax || s.xmin == 0 {
		return s, fmt.Errorf("snapshot %.80q is not one", text)
	}
	return s, nil
}
