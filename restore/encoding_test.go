package restore_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// TestEncodings: databases in other encodings than that of their neighbours
// come back byte by byte, with what is stored outside of them.
func TestEncodings(t *testing.T) {
	srv := oracle.Server(t, 0)
	for encoding, text := range map[string]string{"LATIN1": "caf\xe9", "EUC_JP": "\xc6\xfc\xcb\xdc", "SQL_ASCII": "no encoding \xff"} {
		t.Run(encoding, func(t *testing.T) {
			url := newName(t, srv)
			name := oracle.Config(t, url).Database
			oracle.Exec(t, srv.URL("postgres"), "CREATE DATABASE "+pgsession.QuoteIdent(name)+
				" TEMPLATE template0 ENCODING "+pgsession.QuoteLiteral(encoding)+" LOCALE 'C'")
			source := connectAs(t, url)
			word := pgsession.QuoteLiteral(text)
			for _, sql := range []string{
				"COMMENT ON DATABASE " + pgsession.QuoteIdent(name) + " IS " + word,
				"ALTER DATABASE " + pgsession.QuoteIdent(name) + " SET app.word = " + word,
				"CREATE TABLE " + pgsession.QuoteIdent(text) + " (" + pgsession.QuoteIdent(text) + " text DEFAULT " + word + ")",
				"INSERT INTO " + pgsession.QuoteIdent("public", text) + " DEFAULT VALUES",
			} {
				if _, err := source.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			sink := folder(t)
			set := take(t, sink, url, "zstd")
			target := bringBack(t, sink, set, srv)
			same(t, sink, set, target, nil)
			var comment, setting string
			err := connectAs(t, target).QueryRow(t.Context(), `SELECT pg_catalog.shobj_description(d.oid, 'pg_database'), setconfig[1]
				FROM pg_catalog.pg_database d JOIN pg_catalog.pg_db_role_setting ON setdatabase = d.oid
				WHERE datname = pg_catalog.current_database()`).Scan(&comment, &setting)
			if err != nil || comment != text || setting != "app.word="+text {
				t.Errorf("comment %q, setting %q, %v; want %q", comment, setting, err, text)
			}
		})
	}
}

// connectAs connects in the database's own encoding.
func connectAs(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgsession.Connect(t.Context(), oracle.Config(t, url), pgsession.Settings{Restoring: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	if _, err := conn.Exec(t.Context(), "SET search_path = public"); err != nil {
		t.Fatal(err)
	}
	return conn
}
