package scratch_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

func TestCreateDatabase(t *testing.T) {
	srv := start(t, nil)
	opts := &scratch.DatabaseOptions{Prefix: `odd "prefix' `, Encoding: "LATIN1", Collate: "C", CType: "C"}
	db, err := scratch.CreateDatabase(t.Context(), srv.Config("postgres"), opts)
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, db.Config())
	const sql = "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || datctype FROM pg_database WHERE datname = current_database()"
	if got, want := value(t, conn, sql), "LATIN1 C C"; got != want {
		t.Errorf("the database has %s, want %s", got, want)
	}
	// Dropping ends the connection that is still open, and can be repeated.
	for range 2 {
		if err := db.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err = pgx.ConnectConfig(t.Context(), db.Config())
	if pgErr := (*pgconn.PgError)(nil); !errors.As(err, &pgErr) || pgErr.Code != "3D000" {
		t.Errorf("connecting to the dropped database: %v", err)
	}
}

func TestCreateDatabaseProviders(t *testing.T) {
	srv := start(t, nil)
	tests := []struct {
		since int
		opts  scratch.DatabaseOptions
		sql   string
		want  string
	}{
		{13, scratch.DatabaseOptions{}, "SELECT datcollate FROM pg_database WHERE datname = current_database()", "C"},
		{15, scratch.DatabaseOptions{Provider: 'c', Collate: "C"}, "SELECT datlocprovider::text || datcollate FROM pg_database WHERE datname = current_database()", "cC"},
		{16, scratch.DatabaseOptions{Provider: 'i', Locale: "pt-BR", ICURules: "&a < 'z'"}, "SELECT datlocprovider::text || daticurules FROM pg_database WHERE datname = current_database()", "i&a < 'z'"},
		{17, scratch.DatabaseOptions{Provider: 'b', Locale: "C.UTF-8"}, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()", "bC.UTF-8"},
	}
	for _, test := range tests {
		if srv.Major() < test.since {
			continue
		}
		db, err := scratch.CreateDatabase(t.Context(), srv.Config("postgres"), &test.opts)
		if err != nil {
			t.Errorf("%+v: %v", test.opts, err)
			continue
		}
		if got := value(t, connect(t, db.Config()), test.sql); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.opts, got, test.want)
		}
		if err := db.Drop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := scratch.CreateDatabase(t.Context(), srv.Config("postgres"), &scratch.DatabaseOptions{Provider: 'x'}); err == nil {
		t.Error("an unknown provider was accepted")
	}
}
