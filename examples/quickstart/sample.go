package main

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// sampleName is the sample database's name, restoredName that of its copy.
const (
	sampleName   = "quickstart"
	restoredName = "quickstart_restored"
)

//go:embed sample.sql
var sampleSQL string

// sample is what the sample database holds.
type sample struct {
	tables     int
	rows, size int64
}

// createSample creates the sample database and fills it.
func createSample(ctx context.Context, srv *scratch.Server) (s sample, err error) {
	if err := execute(ctx, srv.Config("postgres"), "CREATE DATABASE "+sampleName); err != nil {
		return s, err
	}
	if err := execute(ctx, srv.Config(sampleName), sampleSQL); err != nil {
		return s, fmt.Errorf("filling the sample database: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, srv.Config(sampleName))
	if err != nil {
		return s, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// ANALYZE just counted the rows.
	err = conn.QueryRow(ctx, `SELECT count(*), sum(reltuples)::bigint, pg_database_size(current_database())
		FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`).Scan(&s.tables, &s.rows, &s.size)
	return s, err
}

// execute runs one text of one or more statements, in one transaction unless
// it is a single one.
func execute(ctx context.Context, cfg *pgx.ConnConfig, sql string) error {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}
