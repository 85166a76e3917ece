package restore_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// exampleServer starts a private server with a small database on it, or ends
// the example where the machine has no PostgreSQL.
func exampleServer(ctx context.Context) (srv *scratch.Server, source *pgx.ConnConfig) {
	srv, err := scratch.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(ctx, srv.Config("postgres"))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `CREATE TABLE tarefas (id int PRIMARY KEY, titulo text);
		INSERT INTO tarefas VALUES (1, 'Comprar pão'), (2, 'Ligar 📞')`); err != nil {
		log.Fatal(err)
	}
	return srv, srv.Config("postgres")
}

// Restore the newest backup of a folder into a new database, and prove that it
// holds what was backed up.
func Example() {
	ctx := context.Background()
	srv, source := exampleServer(ctx)
	defer srv.Stop(ctx)
	folder, err := os.MkdirTemp("", "pgcofre-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	sink, err := remote.NewDir(folder)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := backup.Run(ctx, sink, &backup.Dumper{Config: source}, nil); err != nil {
		log.Fatal(err)
	}

	inventory, err := manifest.Scan(ctx, sink, nil)
	if err != nil {
		log.Fatal(err)
	}
	set, err := inventory.Find("latest")
	if err != nil {
		log.Fatal(err)
	}
	target := srv.Config("restored") // does not exist yet
	plan, err := (&restore.Restorer{Sink: sink, Target: target}).Plan(ctx, set, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := plan.Missing(); err != nil {
		log.Fatal(err) // roles or extensions that the server lacks
	}
	result, err := plan.Apply(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Tables, "table,", result.Rows, "rows")

	report, err := (&verify.Verifier{Sink: sink}).Compare(ctx, set, target, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("equal:", report.OK())
	// Output:
	// 1 table, 2 rows
	// equal: true
}
