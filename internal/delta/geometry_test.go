package delta_test

import (
	"math"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/delta"
)

var (
	integerKey = delta.Key{{Name: "id", Output: `"pg_catalog"."int8out"`}}
	textKey    = delta.Key{{Name: "id", Output: "pg_catalog.textout"}}
	pairKey    = delta.Key{{Name: "a", Output: "pg_catalog.int4out"}, {Name: "b", Output: "pg_catalog.uuid_out"}}
)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		rows           int64
		key            delta.Key
		min, max       int64
		buckets, shift int
	}{
		{0, integerKey, 0, 0, 1, 0},
		{128, integerKey, 1, 128, 1, 7},
		{129, textKey, 0, 0, 2, 0},
		{4_000_000, pairKey, 0, 0, 1 << 15, 0},
		{4_000_000, integerKey, 1, 4_000_000, 1 << 15, 7},
		{4_000_000, integerKey, math.MinInt64, math.MaxInt64, 1 << 15, 49},
		{100, integerKey, math.MinInt64, math.MaxInt64, 1, 63},
		{1 << 60, textKey, 0, 0, 1 << 18, 0},
		{1 << 60, integerKey, 0, 1 << 60, 1 << 18, 43},
		{1000, nil, 0, 0, 1, 0},
		{-1, textKey, 0, 0, 1, 0},
		{10_000, integerKey, 5, 5, 128, 0},
	} {
		g := delta.Choose(c.rows, c.key, c.min, c.max)
		if g.Buckets != c.buckets || g.Shift != c.shift {
			t.Errorf("%d rows, keys %d to %d: %d buckets, shift %d; want %d and %d", c.rows, c.min, c.max, g.Buckets, g.Shift, c.buckets, c.shift)
		}
		if err := g.Check(len(c.key)); err != nil {
			t.Errorf("%+v: %v", g, err)
		}
		if width := uint64(c.max) - uint64(c.min); delta.ByValue(c.key) && g.Buckets > 1 && width>>g.Shift >= uint64(g.Buckets) {
			t.Errorf("%+v: keys %d to %d go round the buckets", g, c.min, c.max)
		}
	}
}

func TestGeometryOfAStranger(t *testing.T) {
	text, integer := []string{delta.Text}, []string{delta.Integer}
	for _, c := range []struct {
		g       delta.Geometry
		columns int
		want    string
	}{
		{delta.Geometry{Kinds: text}, 1, "0 buckets"},
		{delta.Geometry{Buckets: -2, Kinds: text}, 1, "-2 buckets"},
		{delta.Geometry{Buckets: 3, Kinds: text}, 1, "3 buckets"},
		{delta.Geometry{Buckets: 1 << 19, Kinds: text}, 1, "524288 buckets"},
		{delta.Geometry{Buckets: 2, Kinds: text}, 2, "2 columns"},
		{delta.Geometry{Buckets: 2}, 0, "no key"},
		{delta.Geometry{Buckets: 2, Shift: 1, Kinds: text}, 1, "shifted by 1"},
		{delta.Geometry{Buckets: 2, Shift: 64, Kinds: integer}, 1, "shifted by 64"},
		{delta.Geometry{Buckets: 2, Shift: -1, Kinds: integer}, 1, "shifted by -1"},
		{delta.Geometry{Buckets: 2, Kinds: []string{"xxh9"}}, 1, "upgrade"},
	} {
		if err := c.g.Check(c.columns); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.g, err, c.want)
		}
	}
}
