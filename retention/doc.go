// Package retention decides which backups to keep, and deletes the rest.
//
// A [RetentionPolicy] says what to keep. [RetentionPolicy.Plan] holds it against
// what a sink was found to hold and returns a [Plan]: a decision on every set,
// with its reasons, and nothing done. [Apply] deletes what the plan says, and
// [Clean] does all of it, from the scan on.
//
// Whatever the policy, a plan keeps
//
//   - what a set that stays needs: its parents, and the sets that it refers to;
//   - what is held (see [manifest.Hold]), and what that needs;
//   - what a run may be building on: every set that was the newest of its
//     source within the last 24 hours;
//   - the last good set of a source, of a database the last good full one, and
//     as many verified full sets as the policy says;
//   - sets that start in the future, and all sets of a source with one more
//     than two hours ahead: one of the clocks is wrong;
//   - the newest record of each outcome of a source's runs;
//   - what it cannot judge: sets that are damaged or of a newer format, and
//     what these may need.
//
// It tells databases, buckets and configuration files apart by source and kind,
// each on their own: suspect sets, those that failed their newest test, and
// safety sets never count as one of the last, the newest of its day or the last
// good one. Partial sets count among partial sets only, and are never the last
// good one.
package retention
