package restore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Unfinished is what a restore in place leaves in a database while it is at
// work, and for good if it dies. It is the first line of the database's
// comment: an owner may set that, it shows where databases are listed, and no
// backup takes it for data of the user's. Until it is gone, backups of the
// database are suspect.
type Unfinished struct {
	Set    string    `json:"set"`    // that was being restored; "" where somebody edited the line
	Safety string    `json:"safety"` // the safety backup taken before; likewise
	Since  time.Time `json:"since"`
}

func (u *Unfinished) String() string { return (*pgschema.Unfinished)(u).String() }

// mark sets or, with nil, takes away the mark; the rest of the comment stays.
func mark(ctx context.Context, conn *pgx.Conn, u *Unfinished) error {
	var database, comment string
	err := conn.QueryRow(ctx, `SELECT datname::pg_catalog.text, COALESCE(pg_catalog.shobj_description(oid, 'pg_database'), '')
		FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()`).Scan(&database, &comment)
	if err != nil {
		return fmt.Errorf("reading the comment of the database: %w", err)
	}
	_, comment = pgschema.CutUnfinished(comment)
	if u != nil {
		if comment, err = (*pgschema.Unfinished)(u).Mark(comment); err != nil {
			return err
		}
	}
	// An empty comment is none.
	if _, err := conn.Exec(ctx, "COMMENT ON DATABASE "+pgsession.QuoteIdent(database)+" IS "+pgsession.QuoteLiteral(comment)); err != nil {
		return fmt.Errorf("marking the database: %w", err)
	}
	return nil
}
