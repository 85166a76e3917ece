package toc

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteSQL writes the archive's schema as a script for psql, byte for byte as
// pg_restore -s of opts.Major prints it: definitions, then privileges, then event
// triggers and the refreshing of materialized views. No rows, no large objects,
// no state of sequences. opts may be nil.
//
// On an error, part of the script has been written.
func WriteSQL(w io.Writer, a *Archive, opts *SQLOptions) error {
	p := &printer{w: bufio.NewWriter(w), session: NewSession(a, opts)}
	p.header(a)
	for _, pass := range Passes {
		for _, e := range a.Entries {
			if e.Pass() != pass || !p.wants(e) {
				continue
			}
			if err := p.entry(e); err != nil {
				return fmt.Errorf("printing schema: %w", err)
			}
		}
	}
	p.footer()
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("printing schema: %w", err)
	}
	return nil
}

// printer writes a script; bufio keeps the errors of the writer.
type printer struct {
	w       *bufio.Writer
	session *Session
}

func (p *printer) opts() *SQLOptions { return &p.session.opts }

func (p *printer) wants(e *Entry) bool {
	return e.IsSchema() && (p.opts().Create || !e.IsDatabase()) && (!p.opts().NoPrivileges || !e.IsACL())
}

func (p *printer) header(a *Archive) {
	p.w.WriteString("--\n-- PostgreSQL database dump\n--\n\n")
	if key := p.opts().RestrictKey; key != "" {
		fmt.Fprintf(p.w, "\\restrict %s\n\n", key)
	}
	if a.ServerVersion.Valid {
		fmt.Fprintf(p.w, "-- Dumped from database version %s\n", a.ServerVersion)
	}
	if a.DumperVersion.Valid {
		fmt.Fprintf(p.w, "-- Dumped by pg_dump version %s\n", a.DumperVersion)
	}
	fmt.Fprintf(p.w, "\n%s\n", p.session.Settings())
}

func (p *printer) footer() {
	p.w.WriteString("--\n-- PostgreSQL database dump complete\n--\n\n")
	if key := p.opts().RestrictKey; key != "" {
		fmt.Fprintf(p.w, "\\unrestrict %s\n\n", key)
	}
}

// entry prints one entry: settings, a comment, statements; and after those
// that make the database, the command to enter it.
func (p *printer) entry(e *Entry) error {
	p.statements(p.session.Prepare(e))
	p.comment(e)
	statements, err := p.session.Statements(e)
	if err != nil {
		return err
	}
	p.statements(statements)
	if e.Desc == "DATABASE" || e.Desc == "DATABASE PROPERTIES" {
		return p.connect(e.Tag)
	}
	return nil
}

func (p *printer) statements(statements []string) {
	for _, s := range statements {
		p.w.WriteString(s)
		p.w.WriteString("\n\n")
	}
}

func (p *printer) comment(e *Entry) {
	owner := e.Owner
	if p.opts().NoOwner {
		owner = Text{}
	}
	fmt.Fprintf(p.w, "--\n-- Name: %s; Type: %s; Schema: %s; Owner: %s",
		oneLine(T(e.Tag)), e.Desc, oneLine(e.Namespace), oneLine(owner))
	if e.Tablespace.S != "" {
		fmt.Fprintf(p.w, "; Tablespace: %s", oneLine(e.Tablespace))
	}
	p.w.WriteString("\n--\n\n")
}

// oneLine keeps a name from ending the comment that it stands in.
func oneLine(t Text) string {
	if !t.Valid {
		return "-"
	}
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(t.S)
}

// connect prints psql's command to enter a database, which a restricted psql
// does not take, and the settings anew.
func (p *printer) connect(database string) error {
	if strings.ContainsAny(database, "\n\r") {
		return fmt.Errorf("psql cannot enter database %q: its name contains a newline; print without Create", database)
	}
	key := p.opts().RestrictKey
	if key != "" {
		fmt.Fprintf(p.w, "\\unrestrict %s\n", key)
	}
	name := p.session.dialect.ident(database)
	if strings.ContainsFunc(database, func(r rune) bool {
		return r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		value := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database)
		name = `-reuse-previous=on "` + strings.ReplaceAll("dbname='"+value+"'", `"`, `""`) + `"`
		p.w.WriteString("\\encoding SQL_ASCII\n")
	}
	fmt.Fprintf(p.w, "\\connect %s\n", name)
	if key != "" {
		fmt.Fprintf(p.w, "\\restrict %s\n", key)
	}
	fmt.Fprintf(p.w, "\n%s\n", p.session.Settings())
	return nil
}
