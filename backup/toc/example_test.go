package toc_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// small is an archive of one table with its rows and privileges.
func small() *toc.Archive {
	return &toc.Archive{
		Database:      toc.T("shop"),
		ServerVersion: toc.T("18.4"),
		Entries: []*toc.Entry{
			{DumpID: 1, Tag: "ENCODING", Desc: "ENCODING", Section: toc.SectionPreData, Defn: toc.T("SET client_encoding = 'UTF8';\n")},
			{DumpID: 2, Tag: "STDSTRINGS", Desc: "STDSTRINGS", Section: toc.SectionPreData, Defn: toc.T("SET standard_conforming_strings = 'on';\n")},
			{DumpID: 3, Tag: "SEARCHPATH", Desc: "SEARCHPATH", Section: toc.SectionPreData, Defn: toc.T("SELECT pg_catalog.set_config('search_path', '', false);\n")},
			{DumpID: 4, Tag: "TABLE orders", Desc: "ACL", Section: toc.SectionNone, Namespace: toc.T("public"), Owner: toc.T("clerk"),
				Defn: toc.T("GRANT SELECT ON TABLE public.orders TO reader;\n"), Deps: []int{5}},
			{DumpID: 5, TableOID: 1259, OID: 16384, Tag: "orders", Desc: "TABLE", Section: toc.SectionPreData,
				Namespace: toc.T("public"), Tablespace: toc.T(""), TableAM: toc.T("heap"), Owner: toc.T("clerk"),
				Defn: toc.T("CREATE TABLE public.orders (\n    id integer\n);\n"), Drop: toc.T("DROP TABLE public.orders;\n")},
			{DumpID: 6, OID: 16384, Tag: "orders", Desc: "TABLE DATA", Section: toc.SectionData, HadDumper: true,
				Namespace: toc.T("public"), Owner: toc.T("clerk"), Copy: toc.T("COPY public.orders (id) FROM stdin;\n"),
				Deps: []int{5}, File: toc.T(toc.DataFile(6))},
		},
	}
}

func ExampleRead() {
	var file bytes.Buffer
	if _, err := small().WriteTo(&file); err != nil {
		fmt.Println(err)
		return
	}
	a, err := toc.Read(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("archive version %v of database %v:\n", a.Version, a.Database)
	for _, e := range a.Entries {
		if e.File.Valid {
			fmt.Printf("%v in %v, %q\n", e, e.File, e.Copy)
		}
	}
	// Output:
	// archive version 1.14 of database shop:
	// TABLE DATA public.orders in 6.dat, "COPY public.orders (id) FROM stdin;\n"
}

func ExampleWriteSQL() {
	var script strings.Builder
	if err := toc.WriteSQL(&script, small(), &toc.SQLOptions{Major: 15}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(strings.ReplaceAll(script.String(), "\n\n\n", "\n\n")) // an Output cannot have two empty lines
	// Output:
	// --
	// -- PostgreSQL database dump
	// --
	//
	// -- Dumped from database version 18.4
	//
	// SET statement_timeout = 0;
	// SET lock_timeout = 0;
	// SET idle_in_transaction_session_timeout = 0;
	// SET client_encoding = 'UTF8';
	// SET standard_conforming_strings = on;
	// SELECT pg_catalog.set_config('search_path', '', false);
	// SET check_function_bodies = false;
	// SET xmloption = content;
	// SET client_min_messages = warning;
	// SET row_security = off;
	//
	// SET default_tablespace = '';
	//
	// SET default_table_access_method = heap;
	//
	// --
	// -- Name: orders; Type: TABLE; Schema: public; Owner: clerk
	// --
	//
	// CREATE TABLE public.orders (
	//     id integer
	// );
	//
	// ALTER TABLE public.orders OWNER TO clerk;
	//
	// --
	// -- Name: TABLE orders; Type: ACL; Schema: public; Owner: clerk
	// --
	//
	// GRANT SELECT ON TABLE public.orders TO reader;
	//
	// --
	// -- PostgreSQL database dump complete
	// --
}

// A restore runs the statements of one entry at a time.
func ExampleSession() {
	a := small()
	s := toc.NewSession(a, nil)
	_ = s.Settings() // the first that a connection runs
	for _, pass := range toc.Passes {
		for _, e := range a.Entries {
			if e.Pass() != pass || !e.IsSchema() {
				continue
			}
			statements, err := s.Statements(e)
			if err != nil {
				fmt.Println(err)
				return
			}
			for _, sql := range append(s.Prepare(e), statements...) {
				fmt.Printf("%v: %q\n", e, sql)
			}
		}
	}
	// Output:
	// TABLE public.orders: "SET default_tablespace = '';"
	// TABLE public.orders: "SET default_table_access_method = heap;"
	// TABLE public.orders: "CREATE TABLE public.orders (\n    id integer\n);\n"
	// TABLE public.orders: "ALTER TABLE public.orders OWNER TO clerk;"
	// ACL public.TABLE orders: "GRANT SELECT ON TABLE public.orders TO reader;\n"
}
