package restore

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

var actionTexts = map[TableAction]string{
	MergeTable:   "its rows become the backup's, the table stays",
	ReplaceTable: "it is dropped and rebuilt",
	CreateTable:  "it is not there, and is built",
	"":           "what would be done to it is not known",
}

// WriteText writes the plan for a person.
func (p *TablePlan) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Set %s of %s, data of %s\n", p.Set, p.Source, p.DataTime.Format(time.RFC3339))
	fmt.Fprintf(&b, "Restores into database %q, in one transaction:\n", p.Database)
	for _, t := range p.Tables {
		t.write(&b)
	}
	list := func(title string, items []string) { writeList(&b, title, items) }
	list("Constraints that are taken away, added again and, if they are valid, checked", p.Constraints)
	list("Materialized views that are refreshed", p.Refreshed)
	list("Materialized views that are left stale", p.Stale)
	list("Views that are dropped and created again", p.Recreated)
	list("Note", p.Notes)
	list("Refused", p.Refused)
	b.WriteString("A safety backup of these tables is taken first. From then on nobody else can write to them and to those that refer to them, nor read them while they are changed.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *TableChange) write(b *strings.Builder) {
	fmt.Fprintf(b, "  table %s: %s\n", indented(quoteTable(manifest.TableName{Schema: t.Schema, Name: t.Name})), actionTexts[t.Action])
	counted := "counted"
	if t.Estimated {
		counted = "estimated"
	}
	fmt.Fprintf(b, "    %s in the backup", english.Plural(int(t.Rows), "row", ""))
	if t.Action != CreateTable && t.Action != "" {
		fmt.Fprintf(b, ", %s in the database (%s)", english.Plural(int(t.LiveRows), "row", ""), counted)
	}
	b.WriteString("\n")
	for _, part := range []struct{ title, text string }{
		{"partitions", strings.Join(t.Partitions, "\n")},
		{"on it", strings.Join(t.Dependents, "\n")},
		{"its definition differs (- backup, + database)", t.Difference},
		{"differs, and stays as it is in the database (- backup, + database)", t.Kept},
	} {
		if part.text != "" && !(t.Action == CreateTable && part.text == t.Difference) {
			fmt.Fprintf(b, "    %s:\n      %s\n", part.title, strings.ReplaceAll(strings.TrimRight(part.text, "\n"), "\n", "\n      "))
		}
	}
}
