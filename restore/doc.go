// Package restore brings a backup back.
//
// A [Restorer] makes a [Plan], which reads all that it needs and changes
// nothing, and the plan is then applied. A full set goes into a database that
// the restore creates, or into an empty one. A created database is filled
// under another name and gets its own only when everything is in it and
// proven, so that no half-restored database is ever taken for a whole one.
//
// Restoring an archive runs the SQL that is in it, functions, triggers and
// rules of the backed-up database included, with the rights of the role that
// restores. Restore only what you trust; [Plan.WriteSQL] shows it all.
package restore
