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
)

// Restore over a database in use, after somebody typed its name, and then undo
// that.
func ExampleRestorer_PlanRollback() {
	ctx := context.Background()
	srv, database := exampleServer(ctx)
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
	set, err := backup.Run(ctx, sink, &backup.Dumper{Config: database}, nil)
	if err != nil {
		log.Fatal(err)
	}
	count := func(when string) {
		conn, err := pgx.ConnectConfig(ctx, database)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close(ctx)
		var n int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM tarefas").Scan(&n); err != nil {
			log.Fatal(err)
		}
		fmt.Println(when+":", n, "rows")
		if _, err := conn.Exec(ctx, "DELETE FROM tarefas WHERE id = 2"); err != nil {
			log.Fatal(err)
		}
	}
	count("backed up")
	count("damaged")

	r := &restore.Restorer{Sink: sink, Target: database}
	opts := &restore.Options{Replace: true, Confirm: restore.Typed("postgres", "CONFIRMO")}
	plan, err := r.Plan(ctx, set.Manifest, opts)
	if err != nil {
		log.Fatal(err)
	}
	result, err := plan.Apply(ctx) // err names the safety backup as well
	if err != nil {
		log.Fatal(err)
	}
	count("restored")

	inventory, err := manifest.Scan(ctx, sink, nil)
	if err != nil {
		log.Fatal(err)
	}
	safety, err := inventory.Find(result.Safety)
	if err != nil {
		log.Fatal(err)
	}
	if plan, err = r.PlanRollback(ctx, safety, opts); err != nil {
		log.Fatal(err)
	}
	if _, err := plan.Apply(ctx); err != nil {
		log.Fatal(err)
	}
	count("rolled back")
	// Output:
	// backed up: 2 rows
	// damaged: 1 rows
	// restored: 2 rows
	// rolled back: 1 rows
}
