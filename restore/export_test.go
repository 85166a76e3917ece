package restore

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// StageName is what a database is called while it is filled.
func StageName(database string) string {
	return (&target{config: &pgx.ConnConfig{Config: pgconn.Config{Database: database}}}).stageName()
}
