package pgschema

import "fmt"

// readTables registers every relation, system catalogs too: a user's table may
// inherit from one, and privileges on them are dumped. No function that needs
// the relation to stand still is called here.
func (r *reader) readTables() error {
	rows, err := query[struct {
		OID                             uint32
		Name                            string
		Namespace                       uint32
		Kind                            byte
		RowType, Owner                  uint32
		Tablespace, AM                  string
		HasIndex, HasRules, HasTriggers bool
		RowSecurity, ForceRowSecurity   bool
		Populated, Partition            bool
		Persistence, ReplicaIdentity    byte
		Checks                          int
		Options                         texts
		CheckOption                     string
		ToastOptions                    texts
		OwningTable                     uint32
		OwningColumn                    int
		Identity                        bool
		OfType                          string
		FileNode                        uint32
	}](r, "pg_class", `
		SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.reltype, c.relowner,
		       coalesce(ts.spcname, ''), coalesce(am.amname, ''),
		       c.relhasindex, c.relhasrules, c.relhastriggers,
		       c.relrowsecurity, c.relforcerowsecurity, c.relispopulated, c.relispartition,
		       c.relpersistence, c.relreplident, c.relchecks,
		       array_remove(array_remove(c.reloptions, 'check_option=local'), 'check_option=cascaded'),
		       CASE WHEN 'check_option=local' = ANY (c.reloptions) THEN 'LOCAL'
		            WHEN 'check_option=cascaded' = ANY (c.reloptions) THEN 'CASCADED' ELSE '' END,
		       toast.reloptions,
		       coalesce(d.refobjid, 0), coalesce(d.refobjsubid, 0), (d.deptype = 'i') IS TRUE,
		       CASE WHEN c.reloftype = 0 THEN '' ELSE format_type(c.reloftype, NULL) END,
		       c.relfilenode
		  FROM pg_class c
		  LEFT JOIN pg_depend d ON c.relkind = 'S' AND d.classid = $1 AND d.objid = c.oid
		       AND d.objsubid = 0 AND d.refclassid = $1 AND d.deptype IN ('a', 'i')
		  LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
		  LEFT JOIN pg_am am ON am.oid = c.relam
		  LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid AND toast.relkind = 't'
		       AND c.relkind <> 'p'
		 WHERE c.relkind IN ('r', 'S', 'v', 'c', 'm', 'f', 'p')
		 ORDER BY c.oid`, pgClass)
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := &table{
			object: object{
				kind: kindTable, cat: catalogID{pgClass, row.OID}, name: row.Name,
				nsp: find[*namespace](r, pgNamespace, row.Namespace),
			},
			relkind: row.Kind, persistence: row.Persistence, replident: row.ReplicaIdentity,
			rowType: row.RowType, owner: r.roles[row.Owner], ownerOID: row.Owner,
			tablespace: row.Tablespace, am: row.AM,
			hasIndex: row.HasIndex, hasRules: row.HasRules, hasTriggers: row.HasTriggers,
			rowSecurity: row.RowSecurity, forceRowSecurity: row.ForceRowSecurity,
			populated: row.Populated, partition: row.Partition,
			checkCount: row.Checks, options: row.Options, checkOption: row.CheckOption,
			toastOptions: row.ToastOptions, owningTable: row.OwningTable,
			owningColumn: row.OwningColumn, identity: row.Identity, ofType: row.OfType,
			fileNode: row.FileNode,
		}
		r.add(t)
		r.tables = append(r.tables, t)
		if t.relkind == relComposite {
			t.dump = compNone
		} else {
			r.selectTable(t)
		}
		t.interesting = t.has(compDefinition | compData)
	}
	return nil
}

// readOwnedSequences makes the sequences of columns follow their tables. An
// identity column's is part of its table; a serial column's may be wanted for
// its own sake too.
func (r *reader) readOwnedSequences() error {
	for _, t := range r.tables {
		if t.owningTable == 0 {
			continue
		}
		owner := find[*table](r, pgClass, t.owningTable)
		if owner == nil {
			return fmt.Errorf("sequence %s belongs to relation %d, which pg_class does not hold",
				r.qualified(t.schema(), t.name), t.owningTable)
		}
		if t.identity {
			t.dump = owner.dump
		} else {
			t.dump |= owner.dump
		}
		if t.dump != compNone {
			t.interesting, owner.interesting = true, true
		}
	}
	return nil
}

// readInherits links tables to their parents, and creates the statements that
// attach partitions: apart from the partition, so that one restores without
// its parent.
func (r *reader) readInherits() error {
	rows, err := query[struct{ Child, Parent uint32 }](r, "pg_inherits",
		`SELECT inhrelid, inhparent FROM pg_inherits ORDER BY inhrelid, inhseqno`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		child := find[*table](r, pgClass, row.Child)
		if child == nil {
			continue // an index
		}
		parent := find[*table](r, pgClass, row.Parent)
		if parent == nil {
			return fmt.Errorf("table %s inherits from relation %d, which pg_class does not hold",
				r.qualified(child.schema(), child.name), row.Parent)
		}
		child.parents = append(child.parents, parent)
	}
	for _, t := range r.tables {
		if t.dump != compNone {
			for _, parent := range t.parents {
				parent.interesting = true
			}
		}
		if !t.partition || !t.has(compDefinition) {
			continue
		}
		if len(t.parents) != 1 {
			return fmt.Errorf("partition %s has %d parents; expected one",
				r.qualified(t.schema(), t.name), len(t.parents))
		}
		r.addTableAttach(t)
	}
	return r.readUnsafePartitions()
}

// readUnsafePartitions marks the tables that are partitioned by the hash of an
// enum: the hash is of the value's OID, which a restore does not keep.
func (r *reader) readUnsafePartitions() error {
	rows, err := query[struct{ OID uint32 }](r, "pg_partitioned_table", `
		SELECT partrelid FROM pg_partitioned_table
		 WHERE (SELECT c.oid FROM pg_opclass c JOIN pg_am a ON c.opcmethod = a.oid
		         WHERE c.opcname = 'enum_ops' AND a.amname = 'hash'
		           AND c.opcnamespace = 'pg_catalog'::regnamespace) = ANY (partclass)`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if t := find[*table](r, pgClass, row.OID); t != nil {
			t.unsafePartitions = true
		}
	}
	return nil
}
