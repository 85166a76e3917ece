package main

import "context"

type fullCommand struct{ dumper }

func (*fullCommand) Help() string {
	return `The backup is of one moment. It takes no lock that stands in the way of reads or
writes, and is listed only when all of it is stored and was read back, or the
store proved that it holds it.

The role needs SELECT on everything, which pg_read_all_data gives, and BYPASSRLS
where tables have row security. What it may not read fails the backup and is
named, with the way out.

Credentials for s3://, gs:// and azblob:// come from the provider's usual
environment and files, never from the URL. "cofre doctor" tries them out. What a
URL can say behind a ? (endpoint, region, class ...) is listed where it is wrong.

Examples:

  cofre full --db postgresql://backup@db.example/app --sink /var/backups/app
  cofre full --exclude-schema auth --compress gzip:9    (COFRE_DB, COFRE_SINK set)
  cofre full --export "users=SELECT id, name FROM public.users"
  cofre full --sink /var/backups/app --sink "s3://backups/app?region=eu-west-1" \
    --min-copies 2 --recipient age1... --seal-key /etc/cofre/seal.key --rate 20MB`
}

func (f *fullCommand) Run(ctx context.Context, c *console, p profile) error {
	source := f.source()
	return f.run(ctx, c, p, &source, nil)
}
