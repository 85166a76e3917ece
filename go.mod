module github.com/assist-move-assist/pgcofre

go 1.26.0

require (
	github.com/alecthomas/kong v1.17.0 // command lines of the examples: flags, environment, help from one struct
	github.com/cenkalti/backoff/v5 v5.0.3 // retries with exponential backoff and jitter
	github.com/dustin/go-humanize v1.1.0 // sizes and counts as people read them
	github.com/fergusstrange/embedded-postgres v1.34.0 // the quickstart fetches a server where none is installed
	github.com/jackc/pgx/v5 v5.12.0 // the PostgreSQL protocol, COPY streams included
	github.com/klauspost/compress v1.20.3 // zstd and gzip in Go, without cgo
	github.com/rogpeppe/go-internal v1.16.0 // tests only: scripts that drive the example program
	github.com/vbauerster/mpb/v8 v8.16.2 // progress bars of the examples
	github.com/zeebo/xxh3 v1.1.0 // the 128-bit hash of every row, for digests
	golang.org/x/sync v0.24.0 // errgroup: the first error ends its siblings
	golang.org/x/term v0.47.0 // whether a person watches: progress bars, prompts
)

require (
	github.com/VividCortex/ewma v1.2.0 // indirect
	github.com/acarl005/stripansi v0.0.0-20180116102854-5a71ef0e047d // indirect
	github.com/clipperhouse/uax29/v2 v2.7.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/klauspost/cpuid/v2 v2.2.10 // indirect
	github.com/lib/pq v1.10.9 // indirect
	github.com/mattn/go-runewidth v0.0.30 // indirect
	github.com/vbauerster/cupwriter v0.0.5 // indirect
	github.com/xi2/xz v0.0.0-20171230120015-48954b6210f8 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	golang.org/x/tools v0.48.0 // indirect
)
