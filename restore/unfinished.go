package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Unfinished is what a restore in place leaves in a database while it is at
// work, and for good if it dies. It is the first line of the database's
// comment: an owner may set that, it shows where databases are listed, and no
// backup takes it for data of the user's.
type Unfinished struct {
	Set    string    `json:"set"`    // that was being restored
	Safety string    `json:"safety"` // the safety backup taken before
	Since  time.Time `json:"since"`
}

func (u *Unfinished) String() string {
	return fmt.Sprintf("the restore of %s, begun at %s, did not end: the database is incomplete; what it held before is in safety backup %s",
		u.Set, u.Since.Format(time.RFC3339), u.Safety)
}

// unfinishedMark begins the comment of a database that is incomplete.
const unfinishedMark = "pgcofre: INCOMPLETE, a restore in place did not end "

// readUnfinished finds what a restore that did not end left in the database.
func readUnfinished(ctx context.Context, conn *pgx.Conn) (*Unfinished, error) {
	u, _, err := readComment(ctx, conn)
	return u, err
}

// readComment takes the mark off the database's comment.
func readComment(ctx context.Context, conn *pgx.Conn) (u *Unfinished, rest *string, err error) {
	err = conn.QueryRow(ctx, `SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database
		WHERE datname = pg_catalog.current_database()`).Scan(&rest)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the comment of the database: %w", err)
	}
	if rest == nil {
		return nil, nil, nil
	}
	line, after, more := strings.Cut(*rest, "\n")
	data, marked := strings.CutPrefix(line, unfinishedMark)
	if !marked {
		return nil, rest, nil
	}
	u = new(Unfinished)
	if json.Unmarshal([]byte(data), u) != nil {
		return nil, nil, errors.New("restore: the comment of the database says that a restore did not end, but not which: it was edited; take its first line away")
	}
	if !more {
		return u, nil, nil
	}
	return u, &after, nil
}

// mark sets or, with nil, takes away the mark; the rest of the comment stays.
func mark(ctx context.Context, conn *pgx.Conn, u *Unfinished) error {
	_, comment, err := readComment(ctx, conn)
	if err != nil {
		return err
	}
	if u != nil {
		data, err := json.Marshal(u)
		if err != nil {
			return err
		}
		text := unfinishedMark + string(data)
		if comment != nil {
			text += "\n" + *comment
		}
		comment = &text
	}
	value := "NULL"
	if comment != nil {
		value = pgsession.QuoteLiteral(*comment)
	}
	var database string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.current_database()::pg_catalog.text").Scan(&database); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "COMMENT ON DATABASE "+pgsession.QuoteIdent(database)+" IS "+value); err != nil {
		return fmt.Errorf("marking the database: %w", err)
	}
	return nil
}
