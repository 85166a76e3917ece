package main

import (
	"github.com/alecthomas/kong"
)

const description = `Back up PostgreSQL databases, prove the backups, restore them. Needs no pg_dump.

  cofre full    --db postgresql://backup@db.example/app --sink /var/backups/app
  cofre incremental --db postgresql://backup@db.example/app --sink /var/backups/app
  cofre list    --sink /var/backups/app
  cofre verify  --sink /var/backups/app latest
  cofre restore --sink /var/backups/app --to postgresql://admin@db.example/app_restored latest
  cofre restore-table --sink /var/backups/app --to postgresql://admin@db.example/app latest public.orders
  cofre rollback --sink /var/backups/app --to postgresql://admin@db.example/app latest
  cofre cleanup --sink /var/backups/app --dry-run
  cofre sync    /var/backups/app "s3://backups/app?region=eu-west-1"
  cofre doctor  --sink gs://backups/app

Every flag can be an environment variable instead: --db is COFRE_DB. Of flags that
may be repeated one variable holds all, between semicolons. And every flag can be a
key of a configuration file: db = "postgresql://...", for --profile NAME below [NAME]. What a database's URL
leaves out comes from the PG* variables, ~/.pgpass and the service file; the
credentials of an object store from its provider's usual environment and files.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 damage found, 4 done but suspect,
75 busy (try again later), 130 and 143 stopped by SIGINT and SIGTERM.`

// grammar is the command line. The type of each command says its flags.
type grammar struct {
	Full         fullCommand         `cmd:"" help:"Take a full backup of a database."`
	Incremental  incrementalCommand  `cmd:"" help:"Store what changed in a database since its last backup."`
	List         listCommand         `cmd:"" help:"List the backups in a sink, damaged and unfinished ones too."`
	Show         showCommand         `cmd:"" help:"Show what one backup holds, and what it leaves out."`
	Restore      restoreCommand      `cmd:"" help:"Restore a backup into a new or empty database, or over one in use."`
	RestoreTable restoreTableCommand `cmd:"" help:"Bring tables of a database in use back from a backup."`
	Rollback     rollbackCommand     `cmd:"" set:"latest=the newest safety backup of the target" help:"Undo a restore that overwrote something."`
	Verify       verifyCommand       `cmd:"" help:"Read a backup back, and prove that it is whole."`
	Consolidate  consolidateCommand  `cmd:"" help:"Make a full backup of an incremental one and what it builds on."`
	Sync         syncCommand         `cmd:"" help:"Copy the backups of one sink to another that lacks them."`
	Cleanup      cleanupCommand      `cmd:"" help:"Delete the backups that are too old to keep."`
	Hold         holdCommand         `cmd:"" help:"Keep a backup from being deleted, until it is released."`
	Release      releaseCommand      `cmd:"" help:"Take a hold away."`
	Doctor       doctorCommand       `cmd:"" help:"Try a sink out: credentials, network, and what the store honours."`

	Config  file    `placeholder:"FILE" file:"no" help:"TOML file of flags. By default /etc/cofre.toml, if it is there."`
	Profile profile `placeholder:"NAME" file:"no" help:"The table of that file to use: [NAME]."`
	JSON    bool    `name:"json" file:"no" help:"Print one JSON document on stdout, and nothing else there."`
}

func newParser(c *console) (*kong.Kong, error) {
	return kong.New(&grammar{},
		kong.Name("cofre"),
		kong.Description(description),
		kong.DefaultEnvars("COFRE"),
		documentedPolicy(),
		documentedChain(),
		kong.Vars{"latest": "the newest that is good and whole"},
		kong.Bind(c),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoAppDescFormat: true}),
	)
}
