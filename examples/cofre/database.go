package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// database is a flag that names a database.
type database struct {
	config   *pgx.ConnConfig
	text     string
	password bool // which the text holds
}

// String is the flag's own text, without a password.
func (d database) String() string { return redact(d.text) }

// UnmarshalText reads a URL or a key=value string. Its errors quote none of
// it, because where a password begins and ends in a malformed one is a guess.
func (d *database) UnmarshalText(text []byte) error {
	config, err := pgx.ParseConfig(string(text))
	switch {
	case len(text) == 0:
		return errors.New("is empty: want postgresql://USER@HOST:PORT/DATABASE")
	case err != nil:
		_, why, _ := strings.Cut(err.Error(), "`: ") // behind the string itself
		return fmt.Errorf("want postgresql://USER@HOST:PORT/DATABASE: %s", why)
	case strings.Contains(config.Host, "@"):
		return errors.New("the host has an @ in it: write the password's as %40")
	case config.Database == "":
		return errors.New("names no database: want postgresql://USER@HOST:PORT/DATABASE")
	}
	d.config, d.text = config, string(text)
	d.password = d.String() != d.text
	return nil
}
