package manifest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

var (
	start = time.Date(2025, 8, 8, 2, 0, 0, 123456789, time.UTC)
	sum   = strings.Repeat("0123456789abcdef", 4)
)

// sample returns a manifest with every field set.
func sample() *manifest.Manifest {
	return &manifest.Manifest{
		Format: manifest.FormatVersion, ID: "incremental/20250808T020000Z-k7f3", Source: "cofre: produção",
		Kind: manifest.Incremental, Scope: manifest.Part, Purpose: manifest.Backup, Group: "nightly",
		Parents: []manifest.Parent{{ID: "full/20250803T020000Z-a2b3", SHA256: sum}},
		Refs:    []manifest.Ref{{Set: "full/20250803T020000Z-a2b3", Object: "4312.dat.zst"}},
		Suspect: []string{"12 bytes before compression, less than the floor of <1 MiB>"},
		Database: &manifest.Database{SystemID: "7391823", Timeline: 1, OID: 16384, Name: "app", ServerVersion: 170002,
			Standby: true, LSN: "0/1A2B3C8", Snapshot: "750:753:750,752"},
		Start: start, End: start.Add(time.Minute), DataTime: start.Add(time.Second), Producer: "pgcofre v1.0.0",
		Objects: []manifest.Object{
			{Name: "4312.dat.zst", Size: 10, SHA256: sum, Raw: 40},
			{Name: "exports/ativas.csv.zst", Size: 5, SHA256: sum, Raw: 7},
			{Name: "toc.dat", Size: 3, SHA256: sum, Raw: 3},
		},
	}
}

func encode(t testing.TB, m *manifest.Manifest) []byte {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	m := sample()
	m.Database.Name = "a\xe7\xe3o" // LATIN1
	b := encode(t, m)
	got, err := manifest.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	gotSum, _ := got.SHA256()
	wantSum, err := m.SHA256()
	if err != nil || gotSum != wantSum {
		t.Errorf("sha256 %s read, %s written, %v", gotSum, wantSum, err)
	}
	if !bytes.Equal(encode(t, got), b) || got.Database.Name != m.Database.Name {
		t.Errorf("written again:\n%s\nfirst:\n%s", encode(t, got), b)
	}
	if got.StoredSize() != 18 || got.RawSize() != 50 || got.Good() {
		t.Errorf("stored %d, raw %d, good %v", got.StoredSize(), got.RawSize(), got.Good())
	}
	if o, ok := got.Object("toc.dat"); !ok || o.Size != 3 {
		t.Errorf("toc.dat: %+v %v", o, ok)
	}
	if _, ok := got.Object("toc"); ok {
		t.Error("found toc")
	}
	// The zone of the times is no matter.
	m.Start = m.Start.In(time.FixedZone("", -3*3600))
	if !bytes.Equal(encode(t, m), b) {
		t.Error("another zone gives other bytes")
	}
	// What is not known to this release is passed over, and stays in the hash.
	more := bytes.Replace(b, []byte("{\n"), []byte("{\n  \"new\": [1],\n"), 1)
	got, err = manifest.Parse(more)
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := got.SHA256(); s == wantSum {
		t.Error("hash is not of the bytes read")
	}
}

// Every field is written: a field forgotten in sample, or unnamed in JSON,
// shows here.
func TestSampleIsComplete(t *testing.T) {
	for _, v := range []any{*sample(), *sample().Database, sampleContents()} {
		s := reflect.ValueOf(v)
		for i := range s.NumField() {
			f := s.Type().Field(i)
			if f.IsExported() && (s.Field(i).IsZero() || f.Tag.Get("json") == "") {
				t.Errorf("%s.%s is not covered", s.Type(), f.Name)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*manifest.Manifest){
		"id":            func(m *manifest.Manifest) { m.ID = "incremental/yesterday" },
		"kind":          func(m *manifest.Manifest) { m.Kind = manifest.Full },
		"scope":         func(m *manifest.Manifest) { m.Scope = "" },
		"purpose":       func(m *manifest.Manifest) { m.Purpose = "fun" },
		"no source":     func(m *manifest.Manifest) { m.Source = "" },
		"source":        func(m *manifest.Manifest) { m.Source = "a\nb" },
		"group":         func(m *manifest.Manifest) { m.Group = strings.Repeat("x", 201) },
		"no parent":     func(m *manifest.Manifest) { m.Parents = nil },
		"parent id":     func(m *manifest.Manifest) { m.Parents[0].ID = "../x" },
		"parent hash":   func(m *manifest.Manifest) { m.Parents[0].SHA256 = strings.ToUpper(sum) },
		"parent twice":  func(m *manifest.Manifest) { m.Parents = append(m.Parents, m.Parents[0]) },
		"own parent":    func(m *manifest.Manifest) { m.Parents[0].ID = m.ID },
		"ref set":       func(m *manifest.Manifest) { m.Refs[0].Set = "x" },
		"ref object":    func(m *manifest.Manifest) { m.Refs[0].Object = "../../etc" },
		"ref to itself": func(m *manifest.Manifest) { m.Refs[0].Set = m.ID },
		"year 10000": func(m *manifest.Manifest) {
			m.Start = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600))
		},
		"year 0":            func(m *manifest.Manifest) { m.End = time.Date(1, 1, 1, 1, 0, 0, 0, time.FixedZone("", 2*3600)) },
		"no start":          func(m *manifest.Manifest) { m.Start = time.Time{} },
		"object name":       func(m *manifest.Manifest) { m.Objects[0].Name = "../4312.dat" },
		"absolute name":     func(m *manifest.Manifest) { m.Objects[0].Name = "/4312.dat" },
		"long name":         func(m *manifest.Manifest) { m.Objects[2].Name = "x" + strings.Repeat("y", 1000) },
		"itself":            func(m *manifest.Manifest) { m.Objects[1].Name = manifest.Name },
		"twice":             func(m *manifest.Manifest) { m.Objects[1].Name = m.Objects[0].Name },
		"order":             func(m *manifest.Manifest) { m.Objects[0], m.Objects[1] = m.Objects[1], m.Objects[0] },
		"negative size":     func(m *manifest.Manifest) { m.Objects[0].Size = -1 },
		"negative raw size": func(m *manifest.Manifest) { m.Objects[0].Raw = -1 },
		"overflow":          func(m *manifest.Manifest) { m.Objects[0].Size = math.MaxInt64 },
		"hash":              func(m *manifest.Manifest) { m.Objects[0].SHA256 = "x" + sum[1:] },
	} {
		m := sample()
		spoil(m)
		if _, err := m.Encode(); err == nil {
			t.Errorf("%s: written", name)
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := manifest.Parse(b); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	whole := encode(t, sample())
	for name, b := range map[string][]byte{
		"empty": nil, "null": []byte("null"), "no format": []byte("{}"), "cut": whole[:len(whole)-3],
		"trailing": append(bytes.Clone(whole), "{}"...), "type": bytes.Replace(whole, []byte(`"size": 10`), []byte(`"size": "10"`), 1),
		"huge": append(bytes.Clone(whole), bytes.Repeat([]byte(" "), manifest.MaxSize)...),
	} {
		if m, err := manifest.Parse(b); err == nil {
			t.Errorf("%s: read as %+v", name, m)
		}
	}
	m := sample()
	m.Format = 2
	if _, err := m.Encode(); err == nil {
		t.Error("format 2 written")
	}
}

func TestNewerFormat(t *testing.T) {
	for _, s := range []string{
		`{"format": 7, "producer": "pgcofre v9.1.0"}`,
		`{"id": {"new": true}, "objects": 3, "producer": "pgcofre v9.1.0", "format": 7}`,
	} {
		_, err := manifest.Parse([]byte(s))
		var newer *manifest.NewerFormatError
		if !errors.As(err, &newer) || newer.Format != 7 || newer.Producer != "pgcofre v9.1.0" {
			t.Errorf("%s: %v", s, err)
		}
	}
	_, err := manifest.Parse([]byte(`{"format": 2, "producer": ["x"]}`))
	var newer *manifest.NewerFormatError
	if !errors.As(err, &newer) || newer.Format != 2 {
		t.Error(err)
	}
}

func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range manifest.Kinds() {
		for range 50 {
			id := manifest.NewID(kind, start.In(time.FixedZone("", 5*3600)))
			if err := manifest.CheckID(id); err != nil {
				t.Error(err)
			}
			if !strings.HasPrefix(id, string(kind)+"/20250808T020000Z-") || manifest.KindOf(id) != kind {
				t.Error(id)
			}
			seen[id] = true
		}
	}
	if len(seen) < 190 { // 200, but for an unlikely clash
		t.Errorf("%d different names of 200", len(seen))
	}
	for _, id := range []string{"", "full", "full/", "20250808T020000Z-k7f3", "full/20250808T020000Z", "full/20250808T020000Z-",
		"full/20250808T020000Z-k7f", "full/20250808T020000Z-K7F3", "full/20250808T020000Z-k7f3/", "full/20250808T020000Z-k7f3/x",
		"full/20251308T020000Z-k7f3", "full/20250808T02000Z-k7f3", "full/20250808T020000.5Z-k7f3", "other/20250808T020000Z-k7f3",
		"full/20250808T020000Z-" + strings.Repeat("a", 17), "/full/20250808T020000Z-k7f3", "full/..-k7f3"} {
		if manifest.CheckID(id) == nil {
			t.Errorf("%q passes", id)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, sample()))
	small := sample()
	small.Refs, small.Suspect, small.Database, small.Objects = nil, nil, nil, nil
	f.Add(encode(f, small))
	f.Add([]byte(`{"format": 7, "producer": "pgcofre v9.1.0"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := manifest.Parse(b)
		if err != nil {
			return
		}
		first, err := m.Encode()
		if err != nil {
			t.Fatalf("read but cannot be written: %v", err)
		}
		again, err := manifest.Parse(first)
		if err != nil {
			t.Fatalf("written but cannot be read: %v\n%s", err, first)
		}
		if !bytes.Equal(encode(t, again), first) {
			t.Fatalf("not the same twice:\n%s", first)
		}
	})
}
