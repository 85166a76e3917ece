package oracle

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// PgBouncer starts one in front of a database, in a pool mode of its own
// (session, transaction, statement), and returns the URL that leads through it.
// It ends with the test.
func PgBouncer(t testing.TB, target, mode string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; exec.Command(program, "--version").Run() != nil {
			Missing(t, "no PgBouncer found: apt-get install pgbouncer")
		}
	}
	server, err := pgx.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	text := fmt.Sprintf(`[databases]
%s = host=%s port=%d user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
`, server.Database, server.Host, server.Port, server.User, server.Password, port, mode)
	ini := filepath.Join(folder(t), "pgbouncer.ini")
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon(t, program, ini)
	through := fmt.Sprintf("postgresql://postgres@127.0.0.1:%d/%s?sslmode=disable", port, server.Database)
	awaitAnswer(t, through)
	return through
}
