package restore_test

import (
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/restore"
)

// TestChainTables brings tables back from a chain, merged and rebuilt, and reads
// nothing of others.
func TestChainTables(t *testing.T) {
	t.Parallel()
	srv, tools := oracle.Server(t, 15), oracle.Client(t, 15)
	source, sink := settled(t, srv, chained), &counted{Dir: folder(t), read: map[string]int64{}}
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, source)}}
	sets := takeBetween(t, sink, src, source,
		"UPDATE pessoas SET nome = 'outro' WHERE id % 7 = 0; DELETE FROM valores WHERE v % 50 = 0; UPDATE partes SET v = 'p' WHERE v LIKE '20%'",
		"DELETE FROM pessoas WHERE id > 2900; INSERT INTO valores VALUES (-1, 'novo'); DELETE FROM partes WHERE v = 'p' AND dia = 1",
		"SELECT")
	set := sets[2]
	want := content(t, tools, source)
	for _, c := range []struct {
		damage string
		action restore.TableAction
		tables []string
	}{
		{"DELETE FROM pessoas WHERE id % 2 = 0; UPDATE valores SET t = 'x'; DELETE FROM partes", restore.MergeTable, []string{"pessoas", "valores", "partes", "tarefas"}},
		{"ALTER TABLE valores DROP COLUMN t CASCADE; ALTER TABLE partes ADD COLUMN w int; DELETE FROM partes", restore.ReplaceTable, []string{"valores", "partes"}},
		{"DROP TABLE valores", restore.CreateTable, []string{"valores"}},
	} {
		target := damaged(t, srv, source, c.damage)
		r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}
		p, err := r.PlanTables(t.Context(), set, c.tables, &restore.TableOptions{Replace: c.action != restore.MergeTable, Confirm: agree})
		if err != nil {
			t.Fatal(err)
		}
		clear(sink.read)
		if _, err := p.Apply(t.Context()); err != nil {
			t.Fatalf("%s: %v", c.damage, err)
		}
		for _, table := range p.Tables {
			if table.Action != c.action {
				t.Errorf("%s: table %s is to be %sd", c.damage, table.Name, table.Action)
			}
		}
		if diff := oracle.Difference(want, content(t, tools, target)); diff != "" {
			t.Errorf("%s: %s", c.damage, diff)
		}
		if read, all := sink.read[sets[0].ID], sets[0].StoredSize(); len(c.tables) == 1 && read > all/4 {
			t.Errorf("%s: %d bytes of the full set were read, of %d", strings.Join(c.tables, ", "), read, all)
		}
	}
}
