package toc

import "time"

// Time is a moment as the archive keeps it: the fields of C's struct tm in the
// time zone of the machine that wrote it, which the archive does not name.
type Time struct {
	Sec, Min, Hour, Day int
	Month               int // 0 is January
	Year                int // since 1900
	IsDST               int // 1 in daylight saving time, 0 not, -1 unknown
}

// TimeOf returns the wall clock of t in its own location.
func TimeOf(t time.Time) Time {
	dst := 0
	if t.IsDST() {
		dst = 1
	}
	return Time{t.Second(), t.Minute(), t.Hour(), t.Day(), int(t.Month()) - 1, t.Year() - 1900, dst}
}

// In returns the moment, taking it for the wall clock of a location.
func (t Time) In(loc *time.Location) time.Time {
	return time.Date(t.Year+1900, time.Month(t.Month+1), t.Day, t.Hour, t.Min, t.Sec, 0, loc)
}

// fields are the parts in the order of the archive.
func (t *Time) fields() [7]*int {
	return [7]*int{&t.Sec, &t.Min, &t.Hour, &t.Day, &t.Month, &t.Year, &t.IsDST}
}
