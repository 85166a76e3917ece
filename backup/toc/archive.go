package toc

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// FileName is the name of the table of contents in a directory-format archive.
// It is never compressed.
const FileName = "toc.dat"

// LoadViaPartitionRoot begins the Defn of a TABLE DATA entry whose rows are
// loaded through a partition root. pg_restore of the May 2023 releases and later
// neither truncates before such an entry nor takes the text for a definition.
const LoadViaPartitionRoot = "-- load via partition root "

// DataFile is the name that pg_dump gives to the file of a TABLE DATA entry,
// before the ending that tells its compression (".gz", ".lz4", ".zst" or none).
func DataFile(dumpID int) string { return strconv.Itoa(dumpID) + ".dat" }

// BlobsFile is the name of the list of large objects of a BLOBS entry since
// archive version 1.16. Earlier archives have one such list: [LegacyBlobsFile].
func BlobsFile(dumpID int) string { return "blobs_" + strconv.Itoa(dumpID) + ".toc" }

// LegacyBlobsFile is the name of the list of large objects before 1.16.
const LegacyBlobsFile = "blobs.toc"

// Text is a string that may be NULL, which PostgreSQL tells from an empty one:
// a Tablespace of NULL means "none needed", an empty one "the database's
// default". The zero value is NULL.
type Text struct {
	S     string
	Valid bool
}

// T returns s as a Text that is not NULL.
func T(s string) Text { return Text{s, true} }

// String returns the text, or "" for NULL.
func (t Text) String() string { return t.S }

// Version is a version of the archive format.
type Version struct{ Major, Minor, Rev byte }

// The versions that [Archive.WriteTo] writes: 1.14 is read by pg_restore 12 and
// later; 1.15 (16 and later) says how data is compressed; 1.16 (17 and later)
// has relation kinds and several BLOBS entries.
var (
	V1_14 = Version{1, 14, 0}
	V1_15 = Version{1, 15, 0}
	V1_16 = Version{1, 16, 0}
)

var oldest = Version{1, 12, 0} // PostgreSQL 9.0

// String returns the version as PostgreSQL prints it: "1.14".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

func (v Version) before(o Version) bool {
	return v.Major < o.Major || v.Major == o.Major && v.Minor < o.Minor
}

// NewerVersionError says that an archive was written in a format that this
// package does not know yet.
type NewerVersionError struct{ Version Version }

func (e *NewerVersionError) Error() string {
	return fmt.Sprintf("archive version %v is newer than %v, the newest known: use a newer release, or pg_restore of the PostgreSQL that wrote it", e.Version, V1_16)
}

// The values of Archive.Format.
const (
	FormatCustom byte = 1 // one file; pg_dump -Fc
	FormatTar    byte = 3 // pg_dump -Ft, and toc.dat of pg_dump -Fd
)

// Compression is how the data of an archive is compressed. In a directory
// the names of the files have the last word.
type Compression byte

// The algorithms of PostgreSQL's common/compression.h.
const (
	CompressNone Compression = 0
	CompressGzip Compression = 1
	CompressLZ4  Compression = 2
	CompressZstd Compression = 3
)

// Section is the part of a restore that an entry belongs to.
type Section int

// The sections of pg_backup.h's teSection.
const (
	SectionNone     Section = 1 // goes with the entry it depends on: COMMENT, ACL
	SectionPreData  Section = 2
	SectionData     Section = 3
	SectionPostData Section = 4
)

// Archive is a table of contents.
type Archive struct {
	Version       Version     // zero: written as V1_14
	IntSize       byte        // bytes of an integer: 4 (zero: 4) or 8
	OffSize       byte        // bytes of a file offset: 4 or 8 (zero: 8)
	Format        byte        // FormatTar (also for zero) or FormatCustom
	Compression   Compression // before 1.15 only CompressNone and CompressGzip
	Level         int         // of gzip before 1.15: 1 to 9, -1 default (also for zero); not stored since
	Created       Time        // when the dump began
	Database      Text        // name of the database
	ServerVersion Text        // of the server, as text
	DumperVersion Text        // of the program that wrote the archive
	Entries       []*Entry    // in the order of restore
}

// Entry is one object, or one piece of data, of an archive.
type Entry struct {
	DumpID     int    // positive, unique in the archive
	HadDumper  bool   // has data in a file of its own
	TableOID   uint32 // OID of the catalog that lists the object
	OID        uint32 // of the object
	Tag        string // name of the object
	Desc       string // kind of the object: "TABLE", "TABLE DATA", "ACL"
	Section    Section
	Defn       Text // statements that create the object
	Drop       Text // statement that drops it
	Copy       Text // COPY statement of TABLE DATA; without it the data is INSERTs
	Namespace  Text // schema; NULL or empty: none
	Tablespace Text // NULL: not in a tablespace; empty: the database's default
	TableAM    Text // table access method, since 1.14
	RelKind    byte // pg_class.relkind of a TABLE, since 1.16; else 0
	Owner      Text // role; NULL or empty: none
	WithOIDs   bool // a table WITH OIDS, which PostgreSQL 12 and later cannot create
	Deps       []int
	File       Text   // name of the data file without its compression's ending; NULL: none. Not in FormatCustom
	Offset     Offset // of the data in FormatCustom

	nullTag bool // Tag is NULL, which no pg_dump writes, but pg_restore reads
}

// Offset is where the data of an entry begins in a custom-format file.
type Offset struct {
	State OffsetState
	Pos   uint64 // bytes from the start of the file, when State is OffsetSet
}

// OffsetState says what is known of an Offset. Zero is written as OffsetNoData.
type OffsetState byte

// The states of pg_backup_archiver.h (K_OFFSET_POS_NOT_SET and following).
const (
	OffsetNotSet OffsetState = 1 // data that must be searched for
	OffsetSet    OffsetState = 2
	OffsetNoData OffsetState = 3
)

// Entry returns the entry with a dump ID, or nil. It looks through all entries:
// take [Archive.Index] to look up many.
func (a *Archive) Entry(dumpID int) *Entry {
	for _, e := range a.Entries {
		if e.DumpID == dumpID {
			return e
		}
	}
	return nil
}

// Index returns the entries by dump ID.
func (a *Archive) Index() map[int]*Entry {
	index := make(map[int]*Entry, len(a.Entries))
	for _, e := range a.Entries {
		index[e.DumpID] = e
	}
	return index
}

// String names the entry in messages: kind, schema and name.
func (e *Entry) String() string {
	if e.Namespace.S == "" {
		return e.Desc + " " + e.Tag
	}
	return e.Desc + " " + e.Namespace.S + "." + e.Tag
}

// CopyFrom returns the statement that takes the rows of a TABLE DATA entry, to
// be sent as COPY data. It is an error if Copy is anything but what pg_dump
// writes there (src/bin/pg_dump/pg_dump.c, dumpTableData), such as a statement
// that reads a file or the output of a program of the server's.
func (e *Entry) CopyFrom() (string, error) {
	if !copyFrom.MatchString(e.Copy.S) {
		return "", fmt.Errorf("entry %v: its rows would be given to %.80q, which is no COPY table FROM stdin", e, e.Copy.S)
	}
	return strings.TrimSuffix(e.Copy.S, ";\n"), nil
}

// copyFrom matches COPY with a table and a list of columns. Names that are not
// quoted have none but these characters: see quote_identifier in
// src/backend/utils/adt/ruleutils.c.
var copyFrom = regexp.MustCompile(`^COPY (?:[a-z0-9_.,() ]|"[^"]*")+ FROM stdin;\n$`)

// check refuses entries that pg_restore would stumble over. Dependencies on
// entries that the archive does not have are usual: pg_dump keeps them when
// it leaves objects out.
func (a *Archive) check() error {
	ids := make(map[int]bool, len(a.Entries))
	for i, e := range a.Entries {
		if err := e.check(); err != nil {
			return fmt.Errorf("entry %d of %d, dump ID %d (%v): %w", i+1, len(a.Entries), e.DumpID, e, err)
		}
		if ids[e.DumpID] {
			return fmt.Errorf("entry %d of %d (%v): dump ID %d is taken by an earlier entry", i+1, len(a.Entries), e, e.DumpID)
		}
		ids[e.DumpID] = true
	}
	return nil
}

func (e *Entry) check() error {
	switch {
	case e.DumpID < 1 || e.DumpID > math.MaxInt32:
		return fmt.Errorf("dump ID out of range")
	case e.Desc == "":
		return fmt.Errorf("no desc")
	case e.Section < SectionNone || e.Section > SectionPostData:
		return fmt.Errorf("unknown section %d", e.Section)
	case e.RelKind > math.MaxInt8:
		return fmt.Errorf("relation kind %q", e.RelKind)
	case strings.ContainsAny(e.File.S, `/\`) || strings.HasPrefix(e.File.S, "."):
		return fmt.Errorf("file name %q leaves the archive's folder", e.File.S)
	}
	for _, d := range e.Deps {
		if d < 1 || d > math.MaxInt32 {
			return fmt.Errorf("dependency %d out of range", d)
		}
	}
	return nil
}
