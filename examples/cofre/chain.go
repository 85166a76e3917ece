package main

import (
	"fmt"
	"math/bits"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// chainFact is what an incremental backup is restored with.
type chainFact struct {
	Full         string `json:"full"`         // what all of it builds on
	Incrementals int    `json:"incrementals"` // that follow, the backup itself the last of them
	Size         int64  `json:"size"`         // bytes of all, as stored
}

func (c *chainFact) String() string {
	return fmt.Sprintf("%s and %s, %s in all", c.Full, count(int64(c.Incrementals), "incremental", "incrementals"), size(c.Size))
}

// links finds sets by their IDs.
type links map[string]*manifest.Manifest

func linksOf(inv *manifest.Inventory) links {
	l := links{}
	for _, m := range inv.Sets {
		l[m.ID] = m
	}
	return l
}

// chain is a set and all that it builds on, the nearest first. Its error names a
// link that is missing; what is nearer is returned all the same.
func (l links) chain(m *manifest.Manifest) ([]*manifest.Manifest, error) {
	chain := []*manifest.Manifest{m}
	for len(m.Parents) > 0 {
		link := m.Parents[0]
		parent := l[link.ID]
		if parent == nil {
			return chain, fmt.Errorf("%s builds on %s, which is missing or damaged", m.ID, link.ID)
		}
		if sum, err := parent.SHA256(); err != nil || sum != link.SHA256 {
			return chain, fmt.Errorf("%s builds on %s, which is not as it was then", m.ID, link.ID)
		}
		m = parent
		chain = append(chain, m)
	}
	return chain, nil
}

// factOf returns nil for the chain of what builds on nothing.
func factOf(chain []*manifest.Manifest) *chainFact {
	if len(chain) == 1 {
		return nil
	}
	c := &chainFact{Full: chain[len(chain)-1].ID, Incrementals: len(chain) - 1}
	for _, m := range chain {
		c.Size += m.StoredSize()
	}
	return c
}

// changeOf is what an incremental backup has of a table.
func changeOf(t *manifest.Table) string {
	d := t.Delta
	if d == nil {
		return "all stored"
	}
	text := "unchanged"
	if d.Rows > 0 {
		text = count(d.Rows, "row", "rows") + " written"
	}
	if len(d.Listed) > 0 {
		lost := 0
		for _, b := range d.Listed {
			lost += bits.OnesCount8(b)
		}
		if d.Rows == 0 {
			text = "none written"
		}
		text += fmt.Sprintf(", rows deleted in %d of %s", lost, count(int64(t.Key.Buckets), "bucket", "buckets"))
	}
	if d.Was != nil {
		text += fmt.Sprintf(", was %s.%s", plain(d.Was.Schema), plain(d.Was.Name))
	}
	return text
}
