package restore

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// WriteText writes the plan for a person.
func (p *Plan) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Set %s of %s, data of %s\n", p.Set, p.Source, p.DataTime.Format(time.RFC3339))
	switch {
	case p.Create:
		fmt.Fprintf(&b, "Creates database %q and restores into it:\n", p.Database)
	case p.undo != nil:
		fmt.Fprintf(&b, "Undoes the restore of %s into database %q, and brings back:\n", p.undo.Set, p.Database)
	case p.Replace != nil:
		fmt.Fprintf(&b, "REPLACES what the set holds in database %q by:\n", p.Database)
	default:
		fmt.Fprintf(&b, "Restores into the empty database %q:\n", p.Database)
	}
	fmt.Fprintf(&b, "  %s, %s, %s (%s to read from the sink)\n", english.Plural(p.Tables, "table", ""),
		english.Plural(int(p.Rows), "row", ""), humanize.IBytes(uint64(p.RawBytes)), humanize.IBytes(uint64(p.ReadBytes)))
	for _, l := range p.Chain {
		fmt.Fprintf(&b, "  from %s set %s, data of %s: %s to read\n", l.Kind, l.Set, l.DataTime.Format(time.RFC3339), humanize.IBytes(uint64(l.ReadBytes)))
	}
	list := func(title string, items []string) { writeList(&b, title, items) }
	if p.Replace != nil {
		p.Replace.write(&b, list)
	}
	if p.opts.CreateRoles {
		list("Roles that it creates, without the right to log in", p.MissingRoles)
	} else {
		list("Roles that do not exist on the target", p.MissingRoles)
	}
	list("Extensions that the server does not have", p.MissingExtensions)
	var pre, excluded []string
	for _, q := range p.Prerequisites {
		pre = append(pre, fmt.Sprintf("%s %s, needed by %s", q.Kind, q.Name, q.NeededBy))
	}
	for _, x := range p.Excluded {
		excluded = append(excluded, fmt.Sprintf("%s %s: %s", x.Kind, x.Name, x.Reason))
	}
	list("Must exist on the target already", pre)
	list("Not in the backup", excluded)
	list("Note", p.Notes)
	b.WriteString("It runs the SQL that is in the archive, with the rights of the role that restores.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// writeList writes a title and what it is of. What follows a line break in a
// name is indented further, and so passes for no other line.
func writeList(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	b.WriteString(title + ":\n")
	for _, item := range items {
		b.WriteString("  " + indented(item) + "\n")
	}
}

func indented(s string) string { return strings.ReplaceAll(s, "\n", "\n      ") }

// write writes what is replaced, and what is not.
func (r *Replacement) write(b *strings.Builder, list func(title string, items []string)) {
	if r.Unfinished != nil {
		fmt.Fprintf(b, "UNFINISHED: %s\n", indented(r.Unfinished.String()))
	}
	var objects []string
	for _, o := range r.Objects {
		line := o.Kind + " " + o.Name
		if o.Rows > 0 {
			line += fmt.Sprintf(" (about %s)", english.Plural(int(o.Rows), "row", ""))
		}
		objects = append(objects, line)
	}
	if r.LargeObjects > 0 {
		objects = append(objects, english.Plural(r.LargeObjects, "large object", ""))
	}
	list(fmt.Sprintf("Dropped first, with about %s by PostgreSQL's estimate", english.Plural(int(r.Rows()), "row", "")), some(objects))
	list("Dropped along with it, and NOT in the set", r.Along)
	list("Stays as it is", some(r.Stays))
	list("Others who use the database, and may have to be waited for", some(r.Sessions))
	list("REFUSED", r.Refused)
}

// mostLines is how many lines a list of things without a surprise has.
const mostLines = 200

// some cuts a long list.
func some(items []string) []string {
	if len(items) <= mostLines {
		return items
	}
	return append(items[:mostLines:mostLines], fmt.Sprintf("and %d more", len(items)-mostLines))
}

// WriteSQL writes every statement of the schema that Apply will run, before
// roles are mapped: in place, what is dropped comes first.
func (p *Plan) WriteSQL(w io.Writer) error {
	archive := p.archive
	if p.survey != nil {
		for _, e := range p.survey.drops() {
			if _, err := io.WriteString(w, ifExists(e)); err != nil {
				return err
			}
		}
		replaced := *p.archive
		replaced.Entries = nil
		for _, e := range p.archive.Entries {
			if e.IsSetting() || p.wanted(e) && !p.leaves(e) {
				replaced.Entries = append(replaced.Entries, p.kept(e))
			}
		}
		archive = &replaced
	}
	return toc.WriteSQL(w, archive, &toc.SQLOptions{
		Major: min(p.target.version/10000, toc.NewestMajor), Create: p.Create, NoOwner: p.opts.NoOwner, NoPrivileges: p.opts.NoPrivileges,
	})
}
