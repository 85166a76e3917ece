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

// chain returns nil for what builds on nothing. Its error names a link that is
// missing.
func (l links) chain(m *manifest.Manifest) (*chainFact, error) {
	if len(m.Parents) == 0 {
		return nil, nil
	}
	c := &chainFact{Size: m.StoredSize()}
	for of := m; len(of.Parents) > 0; c.Incrementals++ {
		link := of.Parents[0]
		parent := l[link.ID]
		if parent == nil {
			return nil, fmt.Errorf("%s builds on %s, which is missing or damaged", of.ID, link.ID)
		}
		if sum, err := parent.SHA256(); err != nil || sum != link.SHA256 {
			return nil, fmt.Errorf("%s builds on %s, which is not as it was then", of.ID, link.ID)
		}
		of = parent
		c.Full, c.Size = of.ID, c.Size+of.StoredSize()
	}
	return c, nil
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
