// Package restore brings a backup back.
//
// A [Restorer] makes a [Plan], which reads all that it needs and changes
// nothing, and the plan is then applied. A full set goes into a database that
// the restore creates, or into an empty one. A created database is filled
// under another name and gets its own only when everything is in it and
// proven, so that no half-restored database is ever taken for a whole one.
//
// Or a set replaces what is there: [Options.Replace] drops what the set holds
// from a database that is in use, and brings it back, in place. That is
// confirmed, begins with a safety backup, and can be undone by
// [Restorer.PlanRollback]. What the set does not hold stays as it is: what
// depends on the set's objects or stands in their way refuses the restore, by
// name, before anything is changed. Extensions stay, as do the database's own
// properties and privileges; schemas stay, and get the owner, privileges and
// comment that the set says.
//
// Or chosen tables come back into the live ones: [Restorer.PlanTables] compares
// definitions and rows, and what it plans is applied in one transaction, after
// a safety backup of these tables; [Restorer.PlanTablesRollback] undoes it.
//
// Restoring an archive runs the SQL that is in it, functions, triggers and
// rules of the backed-up database included, with the rights of the role that
// restores. Restore only what you trust; [Plan.WriteSQL] shows it all.
package restore
