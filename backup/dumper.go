package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Dumper is the [Source] of one PostgreSQL database, servers 13 to 18. Only
// Config is required. A Dumper holds no state: it may be used again, and by
// several goroutines.
type Dumper struct {
	// Config says how to connect, from pgx.ParseConfig: a URL or key=value
	// string, PG* variables, .pgpass, service file and TLS certificates are
	// all understood there. The connection must be direct or pool whole
	// sessions. It may lead to a standby: the set then lacks the rows of
	// unlogged tables, which are on the primary alone, and is a part where
	// there are such tables. The role needs SELECT on everything that is backed up
	// (pg_read_all_data grants it) and, where tables have row security,
	// BYPASSRLS.
	Config *pgx.ConnConfig

	// Name is the source's name in manifests. The default is the database's
	// name and, behind an @, its host; set it where that may change.
	Name string

	// Jobs is how many connections copy at a time, besides the one that holds
	// the snapshot. 0 means the number of CPUs, at least 2.
	Jobs int

	// Patterns choose what is dumped, as pg_dump's -n, -N, -t, -T and
	// --exclude-table-data take them. What is left out is recorded, and makes
	// the set a part where it leaves out the user's data.
	Schemas, ExcludeSchemas []string
	Tables, ExcludeTables   []string
	ExcludeTableData        []string

	// Belongings takes along what is on the tables that Schemas or Tables
	// choose and pg_dump leaves out: their extended statistics, in whatever
	// schema, and publications' hold of them. The publications themselves must
	// be there where the set is restored.
	Belongings bool

	// ExcludeObjects leaves out objects of kinds that cannot be reproduced,
	// each named as the error that refuses them does.
	ExcludeObjects []string

	// Exports are queries whose results are stored as CSV, from the same
	// snapshot.
	Exports []Export

	// OneObject writes every table as one object. By default large tables
	// are cut into page ranges that are copied in parallel, which needs a
	// pg_restore of May 2023 or newer (12.15, 13.11, 14.8, 15.3, 16) to load.
	OneObject bool

	// RangeSize is the size on disk of such a range, in bytes. 0 chooses
	// between 64 and 256 MiB by the size of the database.
	RangeSize int64

	// LockTimeout bounds the wait for each table lock. 0 means one minute.
	LockTimeout time.Duration

	// MaxBlocking is how long the backup may stand in the way of a statement
	// that waits for an exclusive lock on a table, and so of all behind it,
	// before it gives way with an error. 0 means one minute; a negative
	// value never gives way.
	MaxBlocking time.Duration

	// NoState leaves out what incrementals need to build on the set, which takes
	// one more pass over the tables' rows on the server.
	NoState bool

	// Deferrable takes a snapshot that no serialization anomaly can show in
	// (SERIALIZABLE, READ ONLY, DEFERRABLE); it may have to wait for one.
	Deferrable bool
}

var _ Source = (*Dumper)(nil)

// Export is a declared query whose result is stored as exports/NAME.csv.
type Export struct {
	Name       string // letters, digits, dot, dash and underscore
	SQL        string // one SELECT, without a semicolon; runs read only, as the backup's role
	SearchPath string // "public" when empty
}

var exportName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// SourceName is Name, or what stands for it.
func (d *Dumper) SourceName() string {
	if d.Name != "" || d.Config == nil {
		return d.Name
	}
	host := d.Config.Host
	if host == "" || host[0] == '/' || host[0] == '@' {
		host = "localhost"
	}
	return d.Config.Database + "@" + host
}

// Backup writes a full set of the database.
func (d *Dumper) Backup(ctx context.Context, w *Writer) error { return d.backup(ctx, w, nil) }

// backup writes a set, an incremental one where there is something to build on.
func (d *Dumper) backup(ctx context.Context, w *Writer, l *lineage) error {
	if err := d.validate(); err != nil {
		return err
	}
	w.progress.phase("connecting")
	run := &dump{Dumper: d, w: w, lineage: l}
	s, err := pgsession.Open(ctx, &pgsession.Options{
		Config: d.Config,
		Before: run.before,
		Relations: func(ctx context.Context, conn *pgx.Conn) ([]pgsession.Relation, error) {
			return pgschema.Relations(ctx, conn, d.selection())
		},
		LockName:    pgsession.BackupLock,
		LockTimeout: d.LockTimeout,
		MaxBlocking: d.MaxBlocking,
		Deferrable:  d.Deferrable,
		Logger:      w.opts.Logger,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	run.s, run.info = s, s.Info()
	err = run.all(s.Context())
	if cause := context.Cause(s.Context()); err != nil && cause != nil {
		err = cause // what ended the session, not what that broke
	}
	return err
}

func (d *Dumper) validate() error {
	if d.Config == nil {
		return errors.New("backup: Dumper.Config is nil; use pgx.ParseConfig")
	}
	if d.Jobs < 0 || d.RangeSize < 0 {
		return errors.New("backup: Dumper.Jobs and RangeSize must not be negative")
	}
	seen := map[string]bool{}
	for _, e := range d.Exports {
		switch {
		case !exportName.MatchString(e.Name):
			return fmt.Errorf("backup: export name %q: use letters, digits, dots, dashes and underscores", e.Name)
		case seen[e.Name]:
			return fmt.Errorf("backup: two exports are named %q", e.Name)
		case e.SQL == "":
			return fmt.Errorf("backup: export %q has no SQL", e.Name)
		}
		seen[e.Name] = true
	}
	return nil
}

func (d *Dumper) selection() *pgschema.Options {
	return &pgschema.Options{
		Schemas: d.Schemas, ExcludeSchemas: d.ExcludeSchemas,
		Tables: d.Tables, ExcludeTables: d.ExcludeTables,
		ExcludeTableData: d.ExcludeTableData, ExcludeObjects: d.ExcludeObjects,
		Belongings: d.Belongings,
	}
}

func (d *Dumper) jobs() int {
	if d.Jobs > 0 {
		return d.Jobs
	}
	return max(2, runtime.NumCPU())
}

// dump is one run of a Dumper.
type dump struct {
	*Dumper
	w      *Writer
	s      *pgsession.Session
	info   pgsession.Info
	schema *pgschema.Schema

	lineage   *lineage           // nil: a full backup was asked for
	parent    *manifest.Manifest // nil: it is one
	promoted  *promotion         // why it is one, where an incremental was asked for
	uncounted error              // why no incremental can build on it
	running   *running           // transactions before the snapshot; nil where there are no watermarks

	tables  []*tableDump
	blobs   []*blobDump
	exports []*exportDump
}

// before finds out what can be told only before the snapshot is taken.
func (d *dump) before(ctx context.Context, conn *pgx.Conn) (err error) {
	if d.lineage != nil && len(d.lineage.Watermarks) > 0 {
		d.running, err = lookAtRunning(ctx, conn)
	}
	return err
}

func (d *dump) all(ctx context.Context) error {
	d.w.progress.phase("reading the catalogs")
	err := d.s.Use(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		d.schema, err = pgschema.Read(ctx, conn, d.selection())
		return err
	})
	if err != nil {
		return err
	}
	for _, t := range d.schema.Tables {
		d.tables = append(d.tables, &tableDump{TableData: t, count: -1})
	}
	if err := d.decide(ctx); err != nil {
		return err
	}
	if err := d.begin(); err != nil {
		return err
	}
	d.w.Describe(d.description())
	tasks := d.plan()
	if err := d.work(ctx, "copying", tasks); err != nil {
		return err
	}
	if err := d.checkCounts(); err != nil {
		return err
	}
	for _, t := range d.tables {
		d.w.rows += t.digest().Rows
	}
	for _, b := range d.blobs {
		if err := b.putIndex(ctx, d.w); err != nil {
			return err
		}
	}
	if err := d.putState(ctx); err != nil {
		return err
	}
	if err := d.putSchema(ctx); err != nil {
		return err
	}
	d.w.progress.phase("waiting for the server's log")
	if err := d.s.WaitDurable(ctx); err != nil {
		return err
	}
	return d.s.Alive(ctx)
}

// begin names the set.
func (d *dump) begin() error {
	if d.parent != nil {
		return d.w.Begin(manifest.Incremental, d.parent)
	}
	if d.promoted != nil {
		d.w.promotion = d.promoted.reason
		d.w.opts.Logger.Info("a full backup is taken", "source", d.w.source, "reason", d.promoted.reason)
	}
	return d.w.Begin(manifest.Full)
}

func (d *dump) description() Description {
	desc := Description{
		DataTime: d.info.Time,
		Warnings: append(d.s.Warnings(), d.schema.Warnings...),
		Database: &manifest.Database{
			SystemID: d.info.SystemID, Timeline: d.info.Timeline, OID: d.info.DatabaseOID,
			Name: d.info.Database, ServerVersion: d.info.Version, Standby: d.info.Standby,
			LSN: d.info.LSN, Snapshot: d.info.Snapshot,
		},
	}
	if d.promoted != nil && !d.promoted.planned {
		desc.Warnings = append(desc.Warnings, "this is a full backup, as an incremental was not possible: "+d.promoted.reason)
	}
	if d.uncounted != nil {
		desc.Warnings = append(desc.Warnings, fmt.Sprintf("no incremental can build on this backup: %v", d.uncounted))
	}
	for _, x := range d.schema.Excluded {
		if x.UserData {
			desc.Scope = manifest.Part
		}
	}
	// A safety backup is of what is there, incomplete or not.
	if u := d.schema.Unfinished; u != nil && d.w.opts.Purpose != manifest.Safety {
		desc.Suspect = []string{"the database is half restored: " + u.String()}
	}
	return desc
}

// putState stores what the next incremental needs.
func (d *dump) putState(ctx context.Context) error {
	if !d.recording() || d.uncounted != nil {
		return nil
	}
	selection, err := d.selectionHash()
	if err != nil {
		return err
	}
	s := &state{Format: stateFormat, Selection: selection, Encoding: d.info.ClientEncoding, Monetary: d.info.LCMonetary, Started: d.info.Started}
	for _, t := range d.tables {
		if t.tally != nil {
			table, err := t.state(d.parent)
			if err != nil {
				return err
			}
			s.Tables = append(s.Tables, table)
		}
	}
	_, err = d.w.Put(ctx, stateName, s.write)
	return err
}

// archiveName is where the archive is stored: that of an incremental not where
// pg_restore would look for it, and take changes for everything.
func (d *dump) archiveName() string {
	if d.parent != nil {
		return manifest.ArchiveName
	}
	return toc.FileName
}

// putSchema stores what describes the data: the archive's table of contents,
// the same as SQL, the roles, and contents.json.
func (d *dump) putSchema(ctx context.Context) error {
	d.w.progress.phase("writing the schema")
	var globals string
	err := d.s.Use(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		globals, err = pgschema.Globals(ctx, conn)
		return err
	})
	if err != nil {
		return err
	}
	archive := d.archive()
	for _, o := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"globals.sql", func(w io.Writer) error { _, err := io.WriteString(w, globals); return err }},
		{"schema.sql", func(w io.Writer) error { return d.writeSchemaSQL(w, archive) }},
		{"contents.json", func(w io.Writer) error { return d.writeContents(w) }},
		{d.archiveName(), func(w io.Writer) error { _, err := archive.WriteTo(w); return err }},
	} {
		if _, err := d.w.Put(ctx, o.name, o.write); err != nil {
			return err
		}
	}
	return nil
}
