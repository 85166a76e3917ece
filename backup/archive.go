package backup

import (
	"io"
	"slices"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
)

// archive is the table of contents of the set, as pg_restore reads it.
func (d *dump) archive() *toc.Archive {
	holdConstraints(d.schema.Entries)
	a := &toc.Archive{
		IntSize: 4, OffSize: 8, Format: toc.FormatTar,
		Created:       toc.TimeOf(d.info.Time),
		Database:      toc.T(d.info.Database),
		ServerVersion: toc.T(d.info.VersionText),
		DumperVersion: toc.T(manifest.Producer()),
		Entries:       d.schema.Entries,
	}
	compressedBy(a, d.w.opts.compression)
	return a
}

// compressedBy says how the archive's data is compressed, in the lowest version
// that can say so and has what the entries need.
func compressedBy(a *toc.Archive, c codec.Compression) {
	a.Version, a.Compression, a.Level = toc.V1_14, toc.CompressNone, 0
	switch c.Algorithm {
	case codec.Zstd:
		a.Version, a.Compression = toc.V1_15, toc.CompressZstd
	case codec.Gzip:
		a.Compression, a.Level = toc.CompressGzip, -1
	}
	if needs116(a.Entries) {
		a.Version = toc.V1_16
	}
}

// needs116 tells whether an entry uses what archive version 1.16 (release 17)
// brought: large objects by groups, or a partitioned table's access method.
func needs116(entries []*toc.Entry) bool {
	for _, e := range entries {
		if e.Desc == "BLOB METADATA" || (e.RelKind == 'p' && e.TableAM.String() != "") {
			return true
		}
	}
	return false
}

// holdConstraints makes constraints wait for rows that pg_restore -j does not
// know them to need, because it knows what waits for a table of the archive:
// those of domains, when they come after the data because they were never
// validated, for all rows; foreign keys for the rows of tables that extensions
// bring.
func holdConstraints(entries []*toc.Entry) {
	domains, tables := map[int]bool{}, map[int]bool{}
	for _, e := range entries {
		domains[e.DumpID] = e.Desc == "DOMAIN"
		tables[e.DumpID] = e.Desc == "TABLE"
	}
	var data, extensions []int
	for _, e := range entries {
		if e.Desc != "TABLE DATA" {
			continue
		}
		data = append(data, e.DumpID)
		if !slices.ContainsFunc(e.Deps, func(id int) bool { return tables[id] }) {
			extensions = append(extensions, e.DumpID)
		}
	}
	for _, e := range entries {
		onDomain := func(id int) bool { return domains[id] }
		switch {
		case e.Section != toc.SectionPostData:
		case e.Desc == "FK CONSTRAINT":
			e.Deps = slices.Concat(e.Deps, extensions)
		case e.Desc == "CHECK CONSTRAINT" && slices.ContainsFunc(e.Deps, onDomain):
			e.Deps = slices.Concat(e.Deps, data)
		}
	}
}

// writeSchemaSQL writes schema.sql, which psql loads into any database of the
// server's own major release.
func (d *dump) writeSchemaSQL(w io.Writer, a *toc.Archive) error {
	return toc.WriteSQL(w, a, &toc.SQLOptions{Major: d.info.Version / 10000})
}

// writeContents writes contents.json: what is in the set, and the digests that
// a restore is proven by.
func (d *dump) writeContents(w io.Writer) error {
	s := d.schema
	c := &manifest.Contents{
		Settings: manifest.Settings{
			Encoding: s.Settings.Encoding, Collate: s.Settings.Collate, CType: s.Settings.CType,
			LocaleProvider: s.Settings.LocaleProvider, Locale: s.Settings.Locale, ICURules: s.Settings.ICURules,
			ClientEncoding: s.Settings.ClientEncoding, LCMonetary: s.Settings.LCMonetary,
		},
		Roles:    s.Roles,
		Warnings: d.w.warnings,
	}
	for _, t := range d.tables {
		c.Tables = append(c.Tables, t.contents())
	}
	for _, q := range s.Sequences {
		c.Sequences = append(c.Sequences, manifest.Sequence{Schema: q.Schema, Name: q.Name, Last: q.Last, Called: q.Called})
	}
	for _, x := range s.Extensions {
		c.Extensions = append(c.Extensions, manifest.Extension{Name: x.Name, Schema: x.Schema, Version: x.Version})
	}
	for _, x := range s.Excluded {
		c.Excluded = append(c.Excluded, manifest.Exclusion{Kind: x.Kind, Name: x.Name, Reason: x.Reason})
	}
	for _, p := range s.Prerequisites {
		c.Prerequisites = append(c.Prerequisites, manifest.Prerequisite{Kind: p.Kind, Name: p.Name, NeededBy: p.NeededBy})
	}
	for _, x := range d.exports {
		c.Exports = append(c.Exports, manifest.Export{Name: x.Name, SQL: x.SQL, Rows: x.rows, Object: x.object})
	}
	c.LargeObjects = d.blobContents()
	data, err := c.Encode()
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

func (t *tableDump) contents() manifest.Table {
	m := manifest.Table{
		Schema: t.Schema, Name: t.Name, Kind: "table", Columns: t.Columns,
		Rows: t.digest().Rows, Digest: t.digest().String(),
		Filter: t.Filter,
	}
	for _, r := range t.ranges {
		m.Objects = append(m.Objects, r.object)
	}
	if t.change != nil {
		t.describeChange(&m)
	}
	if t.RootName != "" {
		m.Root = &manifest.TableName{Schema: t.RootSchema, Name: t.RootName}
	}
	return m
}
