package main

import (
	"encoding"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/dustin/go-humanize"

	"github.com/assist-move-assist/pgcofre/backup"
)

// list is a flag that may be repeated, or hold several between semicolons. None
// of them may be empty: whoever set a variable wrongly that asks for encryption,
// say, must not go without.
type list[T any, P interface {
	*T
	encoding.TextUnmarshaler
}] []T

type (
	sinks      = list[sink, *sink]
	recipients = list[recipient, *recipient]
	files      = list[file, *file]
)

// Decode adds what a text holds, or an array in the configuration file.
func (l *list[T, P]) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("value")
	if err != nil {
		return err
	}
	parts, isArray := token.Value.([]any)
	if !isArray {
		for part := range strings.SplitSeq(token.String(), ";") {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return errors.New("is empty")
	}
	for _, part := range parts {
		var item T
		if err := P(&item).UnmarshalText([]byte(fmt.Sprint(part))); err != nil {
			return err
		}
		*l = append(*l, item)
	}
	return nil
}

// file is a flag that names one.
type file string

func (f *file) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("is empty: want the name of a file")
	}
	*f = file(text)
	return nil
}

// compression is a flag in the form that backup.Options takes.
type compression string

var compressions = regexp.MustCompile(`^(zstd(:([1-9]|1[0-9]|2[0-2]))?|gzip(:[1-9])?|none)$`)

func (c *compression) UnmarshalText(text []byte) error {
	if !compressions.Match(text) {
		return fmt.Errorf("%q: want zstd, gzip or none, or zstd:1 to zstd:22, gzip:1 to gzip:9", text)
	}
	*c = compression(text)
	return nil
}

// byteSize is a flag in bytes, or with a unit.
type byteSize int64

func (b *byteSize) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || int64(n) < 0 {
		return fmt.Errorf("%q: want a size, such as 500MB or 2GiB", text)
	}
	*b = byteSize(n)
	return nil
}

// export is a flag that names a query.
type export backup.Export

func (e *export) UnmarshalText(text []byte) error {
	name, sql, ok := strings.Cut(string(text), "=")
	if !ok || name == "" || strings.TrimSpace(sql) == "" {
		return errors.New("want NAME=SQL")
	}
	e.Name, e.SQL = name, sql
	return nil
}

// watermark is a flag that names a table and its clocks.
type watermark backup.Watermark

// UnmarshalText reads names as the database has them: quotes mean nothing here.
func (w *watermark) UnmarshalText(text []byte) error {
	table, columns, ok := strings.Cut(string(text), "=")
	if schema, name, qualified := strings.Cut(table, "."); qualified {
		w.Schema, table = schema, name
		ok = ok && schema != ""
	}
	w.Table, w.Columns = table, strings.Split(columns, ",")
	if !ok || table == "" || slices.Contains(w.Columns, "") {
		return errors.New("want TABLE=COLUMN[,COLUMN], such as public.feed_posts=created_at,updated_at")
	}
	return nil
}
