package backup_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/remote"
)

// Back a database up to a folder. The URL, as every setting of libpq's, may
// come from the environment.
func ExampleRun() {
	ctx := context.Background()
	config, err := pgx.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	sink, err := remote.NewDir("/var/backups/app")
	if err != nil {
		log.Fatal(err)
	}
	set, err := backup.Run(ctx, sink, &backup.Dumper{Config: config, Name: "app"}, nil)
	var suspect *backup.SuspectError
	switch {
	case errors.As(err, &suspect):
		log.Print(err) // it is there; look at it before older ones go
	case errors.Is(err, backup.ErrBusy):
		log.Print("another backup of it is running")
		return
	case err != nil:
		log.Fatal(err) // nothing was left
	}
	fmt.Println(set.ID, set.StoredSize())
}
