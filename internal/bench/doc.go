// Command bench measures a backup and a restore of ours beside the stock
// clients, on one machine and in one run, where only the ratios count:
//
//	go run ./internal/bench -n 3
//
// It builds a deterministic database on a private server (sizes by flag), or
// takes one that is given with -db, and runs all contestants in turn, each as
// a process of its own, our dump and restore included, so that time and memory
// are measured alike. The floor is what the server needs at least: as many
// streams of COPY as there are jobs, to nowhere.
//
// With -sink, which may be given several times, our dump also goes straight to
// an object store, and our restore comes from there:
//
//	AWS_PROFILE=lab go run ./internal/bench -sink 's3://lab/bench?region=eu-central-1' -jobs 4
//
// The stock clients are looked for in the folders that PGCOFRE_CLIENTS lists,
// in PATH and in the usual places; all measurements use the newest.
package main
