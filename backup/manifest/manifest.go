// Package manifest says what one backup is and which there are.
//
// A backup is a set: a folder of objects in a sink, named by its ID, with a
// [Manifest] that was written last. A folder without one is no backup, and no
// reader takes it for one. [Scan] reads all manifests of a sink into an
// [Inventory]. What a set of a database holds, table by table, is in its
// [Contents], an object that may be encrypted where the manifest is not.
//
// Every byte that these promise is described in FORMAT.md beside this file.
package manifest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// FormatVersion is the format that this package writes, and the newest that it
// reads.
const FormatVersion = 1

// Name is the name of the manifest within its set.
const Name = "manifest.json"

// MaxSize is the most that a manifest may take, in bytes.
const MaxSize = 64 << 20

// maxValues is the most values that a manifest may have: four for each of the
// objects that MaxSize has room for, and some.
const maxValues = 2_000_000

// Kind says what sort of thing a set holds. It is the sink's top folder.
type Kind string

// The kinds of sets.
const (
	Full        Kind = "full"        // a database
	Incremental Kind = "incremental" // what changed in a database since its parent
	Storage     Kind = "storage"     // buckets of files
	Configs     Kind = "configs"     // configuration files and variables
)

// Kinds lists all kinds.
func Kinds() []Kind { return []Kind{Full, Incremental, Storage, Configs} }

// Scope tells a whole backup from one that leaves out user data on request.
type Scope string

// The scopes of sets.
const (
	Whole Scope = "whole"
	Part  Scope = "part"
)

// Purpose tells why a set was made.
type Purpose string

// The purposes of sets.
const (
	Backup       Purpose = "backup"       // taken to be kept
	Safety       Purpose = "safety"       // taken just before a restore overwrites something
	Consolidated Purpose = "consolidated" // made from a chain of other sets
)

// Manifest describes one set. It names no schema, table or column, and holds
// no connection string: it is readable where the data must not be.
type Manifest struct {
	Format  int     `json:"format"` // FormatVersion
	ID      string  `json:"id"`     // the set's folder, see NewID
	Source  string  `json:"source"` // the caller's stable name of what is backed up
	Kind    Kind    `json:"kind"`
	Scope   Scope   `json:"scope"`
	Purpose Purpose `json:"purpose"`
	Group   string  `json:"group,omitempty"` // shared by sets that belong together; "" for none

	Parents []Parent `json:"parents,omitempty"` // the sets that this one builds on
	Refs    []Ref    `json:"refs,omitempty"`    // the single objects of other sets that it needs
	Suspect []string `json:"suspect,omitempty"` // why nobody should rely on it; none for a good set

	Database *Database `json:"database,omitempty"` // nil for what is no database

	Start    time.Time `json:"start"`     // when the backup began
	End      time.Time `json:"end"`       // when the manifest was written
	DataTime time.Time `json:"data_time"` // what moment the data is of; on a standby the replay time
	Producer string    `json:"producer"`  // the program that wrote the set, and its version

	Objects []Object `json:"objects"` // all but the manifest, in byte order of their names

	sum    string // of the bytes it was read from
	prefix string // what stands before the ID in the sink it was read from
}

// Parent names a set and the exact manifest that it had.
type Parent struct {
	ID     string `json:"id"`
	SHA256 string `json:"sha256"` // of the parent's manifest.json, 64 lower-case hexadecimal digits
}

// Ref names an object of another set.
type Ref struct {
	Set    string `json:"set"`    // its ID
	Object string `json:"object"` // the name within the set
}

// Object describes one stored object of a set.
type Object struct {
	Name   string `json:"name"`   // within the set
	Size   int64  `json:"size"`   // bytes as stored
	SHA256 string `json:"sha256"` // of the bytes as stored, 64 lower-case hexadecimal digits
	Raw    int64  `json:"raw"`    // bytes before compression and encryption
}

// Database tells which database a set was taken from, and when in its life.
type Database struct {
	SystemID      string `json:"system_id"` // pg_control_system(): the cluster; "" where it may not be read
	Timeline      uint32 `json:"timeline"`
	OID           uint32 `json:"oid"`
	Name          string `json:"name"`
	ServerVersion int    `json:"server_version"` // server_version_num: 170002 is 17.2
	Standby       bool   `json:"standby,omitempty"`
	LSN           string `json:"lsn"`      // of the snapshot, or just after it
	Snapshot      string `json:"snapshot"` // pg_current_snapshot(), as text
}

// Parse reads a manifest and checks everything in it that can be checked
// without its sink. A newer format is a [*NewerFormatError]. Fields that it
// does not know are passed over.
func Parse(b []byte) (*Manifest, error) {
	if err := checkSize(b, MaxSize, maxValues); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := checkFormat(b); err != nil {
		return nil, err
	}
	m := new(Manifest)
	if err := unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	sum := sha256.Sum256(b)
	m.sum = hex.EncodeToString(sum[:])
	return m, nil
}

// Encode returns the bytes of manifest.json, the same for the same manifest.
// What Parse would refuse is an error.
func (m *Manifest) Encode() ([]byte, error) {
	if m.Format != FormatVersion {
		return nil, fmt.Errorf("manifest of %s: format %d cannot be written, only %d", m.ID, m.Format, FormatVersion)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", m.ID, err)
	}
	out := *m
	out.Start, out.End, out.DataTime = m.Start.UTC(), m.End.UTC(), m.DataTime.UTC()
	if out.Objects == nil {
		out.Objects = []Object{}
	}
	b, err := marshal(out)
	if err == nil && len(b) > MaxSize {
		err = fmt.Errorf("manifest of %s: %d objects make %d bytes, at most %d are allowed", m.ID, len(m.Objects), len(b), MaxSize)
	}
	return b, err
}

// SHA256 returns the hash by which a child names the manifest: of the bytes
// that Parse read, or of those that Encode gives if it was not read.
func (m *Manifest) SHA256() (string, error) {
	if m.sum != "" {
		return m.sum, nil
	}
	b, err := m.Encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// Path is the full name, in the sink that the manifest was read from, of an
// object of the set, or of what lies beside them as manifest.json does.
func (m *Manifest) Path(object string) string { return m.prefix + m.ID + "/" + object }

// Object finds an object by its name within the set.
func (m *Manifest) Object(name string) (Object, bool) {
	i, ok := slices.BinarySearchFunc(m.Objects, name, func(o Object, name string) int { return cmp.Compare(o.Name, name) })
	if !ok {
		return Object{}, false
	}
	return m.Objects[i], true
}

// StoredSize is what the set's objects take in the sink, in bytes, the
// manifest itself aside.
func (m *Manifest) StoredSize() (n int64) {
	for _, o := range m.Objects {
		n += o.Size
	}
	return n
}

// RawSize is what the set's objects hold before compression, in bytes.
func (m *Manifest) RawSize() (n int64) {
	for _, o := range m.Objects {
		n += o.Raw
	}
	return n
}

// Good reports whether the set is not suspect. It says nothing about the state
// of its objects since.
func (m *Manifest) Good() bool { return len(m.Suspect) == 0 }
