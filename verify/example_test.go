package verify_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/verify"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// exampleServer starts a private server with a small database on it.
func exampleServer(ctx context.Context) (srv *scratch.Server, conn *pgx.Conn) {
	srv, err := scratch.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	if conn, err = pgx.ConnectConfig(ctx, srv.Config("postgres")); err != nil {
		log.Fatal(err)
	}
	if _, err := conn.Exec(ctx, `CREATE TABLE tarefas (id int PRIMARY KEY, titulo text);
		INSERT INTO tarefas VALUES (1, 'Comprar pão'), (2, 'Ligar 📞')`); err != nil {
		log.Fatal(err)
	}
	return srv, conn
}

// Prove that the sink gives back what was stored, and hold a database against
// it: here the one that was backed up, before and after a row of it changed.
func Example() {
	ctx := context.Background()
	srv, conn := exampleServer(ctx)
	defer srv.Stop(ctx)
	defer conn.Close(ctx)
	folder, err := os.MkdirTemp("", "pgcofre-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	sink, err := remote.NewDir(folder)
	if err != nil {
		log.Fatal(err)
	}
	database := srv.Config("postgres")
	set, err := backup.Run(ctx, sink, &backup.Dumper{Config: database}, nil)
	if err != nil {
		log.Fatal(err)
	}

	v := &verify.Verifier{Sink: sink}
	report, err := v.Integrity(ctx, set.Manifest)
	if err != nil {
		log.Fatal(err) // what kept the damage from being looked for
	}
	fmt.Println("intact:", report.OK(), "with", report.Rows, "rows")

	if report, err = v.Compare(ctx, set.Manifest, database, nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println("equal:", report.OK())

	if _, err := conn.Exec(ctx, `UPDATE tarefas SET titulo = 'Comprar café' WHERE id = 1`); err != nil {
		log.Fatal(err)
	}
	if report, err = v.Compare(ctx, set.Manifest, database, nil); err != nil {
		log.Fatal(err)
	}
	for _, f := range report.Findings {
		fmt.Printf("%s: %s\n", f.What, f.Problem)
	}
	// Output:
	// intact: true with 2 rows
	// equal: true
	// table "public"."tarefas": the content of its 2 rows differs from the backup's
}
