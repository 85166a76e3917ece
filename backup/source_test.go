package backup_test

import (
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// TestCannotConnect: what is wrong with the source is said, without secrets,
// and nothing is put.
func TestCannotConnect(t *testing.T) {
	t.Parallel()
	url := database(t)
	nowhere := oracle.Config(t, url)
	nowhere.Port = 1
	wrong := oracle.Config(t, url)
	wrong.Password = "guessed-secret"
	absent := oracle.Config(t, url)
	absent.Database = "absent"
	for _, c := range []struct {
		src backup.Dumper
		err string
	}{
		{backup.Dumper{Config: wrong}, "password authentication failed"},
		{backup.Dumper{Config: absent}, `database "absent" does not exist`},
		{backup.Dumper{Config: nowhere}, "127.0.0.1:1"},
		{backup.Dumper{}, "no name"},
		{backup.Dumper{Name: "x"}, "Config is nil"},
		{backup.Dumper{Config: wrong, Jobs: -1}, "Jobs"},
		{backup.Dumper{Config: oracle.Config(t, url), Tables: []string{"nothing*"}}, `"nothing*"`},
	} {
		sink := remotetest.NewMem()
		_, err := backup.Run(t.Context(), sink, &c.src, nil)
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v, which does not say %q", err, c.err)
		} else if strings.Contains(err.Error(), "guessed-secret") {
			t.Errorf("%v tells a password", err)
		}
		leavesNothing(t, sink)
	}
}

// TestMayNotRead: a role that may not read everything is refused, with the
// names of all that it may not read.
func TestMayNotRead(t *testing.T) {
	t.Parallel()
	url := database(t, `DROP ROLE IF EXISTS regress_pgcofre_reader; CREATE ROLE regress_pgcofre_reader LOGIN PASSWORD 'r';
		GRANT SELECT ON tasks TO regress_pgcofre_reader;
		CREATE TABLE hidden (a int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; GRANT SELECT ON hidden TO regress_pgcofre_reader`)
	src := &backup.Dumper{Config: oracle.Config(t, as(t, url, "regress_pgcofre_reader", "r"))}
	sink := remotetest.NewMem()
	_, err := backup.Run(t.Context(), sink, src, nil)
	if err == nil || !strings.Contains(err.Error(), "people") || !strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "BYPASSRLS") {
		t.Errorf("Run: %v", err)
	}
	leavesNothing(t, sink)

	oracle.Exec(t, url, `GRANT pg_read_all_data TO regress_pgcofre_reader; ALTER ROLE regress_pgcofre_reader BYPASSRLS`)
	set, err := backup.Run(t.Context(), sink, src, nil)
	if err != nil {
		t.Fatal(err)
	}
	intact(t, sink, set.Manifest)
	oracle.Exec(t, url, `DROP OWNED BY regress_pgcofre_reader; DROP ROLE regress_pgcofre_reader`)
}

// TestOptions: what Run cannot do it refuses before it begins.
func TestOptions(t *testing.T) {
	for _, c := range []struct {
		opts backup.Options
		err  string
	}{
		{backup.Options{Compression: "rar"}, "Compression"},
		{backup.Options{Compression: "zstd:99"}, "Compression"},
		{backup.Options{MinSize: -1}, "MinSize"},
		{backup.Options{ShrinkLimit: 1.5}, "ShrinkLimit"},
	} {
		_, err := backup.Run(t.Context(), remotetest.NewMem(), objectsSource{name: "app", objects: 1}, &c.opts)
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %v", c.opts, err)
		}
	}
	for _, try := range []func() (*backup.Result, error){
		func() (*backup.Result, error) {
			return backup.Run(t.Context(), nil, &backup.Dumper{Name: "app"}, nil)
		},
		func() (*backup.Result, error) { return backup.Run(t.Context(), remotetest.NewMem(), nil, nil) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), "nil") {
			t.Errorf("without sink or source: %v", err)
		}
	}
}

// TestSetOfDatabase: what the manifest says of the database.
func TestSetOfDatabase(t *testing.T) {
	t.Parallel()
	url, sink := database(t), remotetest.NewMem()
	conn := connect(t, url)
	set, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := set.Database
	if d == nil || d.Name != oracle.Config(t, url).Database || d.Standby || d.ServerVersion/10000 != 15 || d.LSN == "" || d.Snapshot == "" ||
		d.SystemID != value[string](t, conn, "SELECT system_identifier::text FROM pg_control_system()") ||
		d.OID != value[uint32](t, conn, "SELECT oid FROM pg_database WHERE datname = current_database()") {
		t.Errorf("database %+v", d)
	}
	if set.Source != d.Name+"@127.0.0.1" || set.Kind != manifest.Full || set.Scope != manifest.Whole || set.Purpose != manifest.Backup ||
		set.DataTime.Before(set.Start.Add(-60e9)) || set.DataTime.After(set.End.Add(60e9)) || set.End.Before(set.Start) {
		t.Errorf("set %+v", set)
	}
	data, err := set.Encode()
	if err != nil || strings.Contains(string(data), "people") || strings.Contains(string(data), "postgresql://") {
		t.Errorf("the manifest tells of the schema or the connection: %s, %v", data, err)
	}
}
