package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// TableOptions changes how chosen tables are restored in place. Confirm is
// required by [TablePlan.Apply]; else the zero value, and nil, work.
type TableOptions struct {
	// Replace drops tables whose definition is not the backup's, and rebuilds
	// them. Without it they are refused.
	Replace bool

	// NoRefresh leaves the materialized views that read the tables as they are:
	// stale. By default they are refreshed in the same transaction, as far as
	// they hold rows.
	NoRefresh bool

	// Confirm is asked by Apply before the first change; an error ends it.
	Confirm func(ctx context.Context, p *TablePlan) error

	// LockTimeout bounds each wait for those who use the tables. 0 means one
	// minute; a negative value waits for ever.
	LockTimeout time.Duration
}

// TableAction is what happens to a table.
type TableAction string

// The actions of a TableChange.
const (
	MergeTable   TableAction = "merge"   // its rows become the backup's, the table stays
	ReplaceTable TableAction = "replace" // it is dropped and rebuilt
	CreateTable  TableAction = "create"  // there is none: it is built
)

// TablePlan says what a restore of chosen tables will do. Its exported fields
// are its JSON form. A plan is applied at most once.
type TablePlan struct {
	Set      string        `json:"set"`
	Source   string        `json:"source"`
	DataTime time.Time     `json:"data_time"` // the moment that the rows are of
	Database string        `json:"database"`
	Tables   []TableChange `json:"tables"`

	// Constraints are taken away meanwhile, added again with their options, and
	// checked then: the foreign keys of all tables that refer to these. So are
	// those of these tables that are NOT VALID, which are not checked.
	Constraints []string `json:"constraints,omitempty"`
	// Refreshed are the materialized views that are filled anew, Stale those
	// that are left as they are although they read the tables.
	Refreshed []string `json:"refreshed,omitempty"`
	Stale     []string `json:"stale,omitempty"`
	// Recreated are the views that are dropped and created again, as they read
	// a table that is replaced.
	Recreated []string `json:"recreated,omitempty"`
	Notes     []string `json:"notes,omitempty"`
	// Refused are the reasons for which Apply refuses, each with the way out.
	Refused []string `json:"refused,omitempty"`

	restorer *Restorer
	opts     TableOptions
	source
	loaders  map[manifest.Ref]*toc.Entry // of objects with rows
	units    []*unit
	live     *liveTables
	rollback bool // to a safety set
	applied  bool
}

// TableChange is one chosen table, with its partitions if it has any.
type TableChange struct {
	Schema     string      `json:"schema"`
	Name       string      `json:"name"`
	Action     TableAction `json:"action"`               // "" where the role cannot even find out
	Partitions []string    `json:"partitions,omitempty"` // of every level, in the backup
	Rows       int64       `json:"rows"`                 // in the backup
	LiveRows   int64       `json:"live_rows"`
	Estimated  bool        `json:"estimated,omitempty"` // LiveRows is PostgreSQL's guess, and was not counted
	// Difference is how the definitions differ, "" where they are equal: lines
	// that begin with - are the backup's, with + those of the database.
	Difference string `json:"difference,omitempty"`
	// Kept is how owner, privileges, comments and labels differ, which a merge
	// leaves as they are in the database.
	Kept string `json:"kept,omitempty"`
	// Dependents are what is on the table: views, foreign keys, publications,
	// triggers, rules.
	Dependents []string `json:"dependents,omitempty"`
}

// TableResult tells what a restore of tables did.
type TableResult struct {
	Set      string        `json:"set"`
	Database string        `json:"database"`
	Safety   string        `json:"safety,omitempty"` // the safety backup; "" where no table was there to be saved
	Tables   []TableCount  `json:"tables,omitempty"`
	Took     time.Duration `json:"took"` // nanoseconds
	Notes    []string      `json:"notes,omitempty"`
}

// TableCount counts what became of a table's rows, partitions included.
// Inserted and Overwritten came from the backup, Overwritten and Removed went;
// a row is overwritten if its primary key, or else a unique key without NULLs,
// is in both. A table that is replaced has all of its rows inserted.
type TableCount struct {
	Schema      string      `json:"schema"`
	Name        string      `json:"name"`
	Action      TableAction `json:"action"`
	Inserted    int64       `json:"inserted"`
	Overwritten int64       `json:"overwritten"`
	Removed     int64       `json:"removed"`
	Unchanged   int64       `json:"unchanged"`
}

// PlanTables plans to bring chosen tables of a set back into the Target, where
// the rest stays as it is. A table is named schema.table, or table where one
// schema alone has it; double quotes keep case and take away special meaning.
// A partitioned table takes its partitions with it.
//
// Where the definition in the database equals the backup's (its columns,
// constraints, indexes, triggers, rules, policies, statistics and partitions),
// rows are merged: those that are missing or changed come from the backup, those
// that are not in it go, and all else of the table stays, its OID included. It
// changes nothing; what stands in the way is in the plan, and Apply refuses it.
//
// Of an incremental set and those that it builds on only what holds rows of these
// tables is read.
//
// Errors: [*NoTableError], [*manifest.SealError], [*IdentityError],
// [*manifest.DamageError], of an incremental set [*LinkError], and what the sink and connecting return.
func (r *Restorer) PlanTables(ctx context.Context, set *manifest.Manifest, tables []string, opts *TableOptions) (*TablePlan, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		return nil, errors.New("restore: no table is named")
	}
	return r.planTables(ctx, set, opts, func(p *TablePlan) ([]manifest.TableName, error) { return p.resolve(tables) })
}

func (r *Restorer) planTables(ctx context.Context, set *manifest.Manifest, opts *TableOptions, choose func(*TablePlan) ([]manifest.TableName, error)) (*TablePlan, error) {
	p := &TablePlan{restorer: r, Set: set.ID, Source: set.Source, DataTime: set.DataTime, Database: r.Target.Database}
	if opts != nil {
		p.opts = *opts
	}
	if err := p.read(ctx, set); err != nil {
		return nil, err
	}
	names, err := choose(p)
	if err != nil {
		return nil, err
	}
	return p, p.look(ctx, names)
}

// PlanTablesRollback plans to bring all tables of a safety set back that
// Apply of a [TablePlan] had taken: those that it replaced are replaced again,
// whatever opts says, and get the extended statistics and the places in
// publications back that they had, and no others. Tables that it created stay.
//
// The errors are those of PlanTables.
func (r *Restorer) PlanTablesRollback(ctx context.Context, safety *manifest.Manifest, opts *TableOptions) (*TablePlan, error) {
	if safety.Purpose != manifest.Safety {
		return nil, fmt.Errorf("restore: set %s was not taken for safety before a restore: restore it instead", safety.ID)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	from := *r
	from.Sink = r.safetySink()
	o := TableOptions{}
	if opts != nil {
		o = *opts
	}
	o.Replace = true
	return from.planTables(ctx, safety, &o, func(p *TablePlan) ([]manifest.TableName, error) {
		p.rollback = true
		return p.all()
	})
}

// read reads what the set says of itself.
func (p *TablePlan) read(ctx context.Context, set *manifest.Manifest) (err error) {
	if p.source, err = p.restorer.readSet(ctx, set); err != nil {
		return err
	}
	p.findLoaders()
	return p.restorer.checkSafety(set)
}

// look compares the chosen tables with those of the target.
func (p *TablePlan) look(ctx context.Context, names []manifest.TableName) error {
	conn, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if p.units, err = p.unitsOf(names); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	p.live, err = p.readLive(ctx, conn)
	if p.Refused = append(p.Refused, unfit(err)...); unfit(err) != nil {
		for _, u := range p.units {
			p.Tables = append(p.Tables, u.TableChange)
		}
		return nil
	} else if err != nil {
		return err
	}
	return p.judge(ctx, conn)
}

// connect opens a connection on which rows have the text that they have in the
// set, and event triggers do not fire if that can be.
func (p *TablePlan) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgsession.Connect(ctx, p.restorer.Target, pgsession.Settings{
		Restoring: true, ClientEncoding: p.contents.Settings.ClientEncoding, LCMonetary: p.contents.Settings.LCMonetary,
	})
	if err != nil {
		return nil, err
	}
	if err := p.quietEventTriggers(ctx, conn); err != nil {
		conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return conn, nil
}

// Missing is nil when nothing stands in the way, else a *RefusedError.
func (p *TablePlan) Missing() error {
	if len(p.Refused) == 0 {
		return nil
	}
	return &RefusedError{Database: p.Database, Reasons: p.Refused}
}
