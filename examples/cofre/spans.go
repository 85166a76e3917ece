package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
	_ "time/tzdata" // for machines without a database of time zones
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// forever is the age that nothing reaches.
const forever span = -1

// span is a flag that holds an age.
type span time.Duration

var (
	spans     = regexp.MustCompile(`^([0-9]+[wdhms])+$`)
	spanParts = regexp.MustCompile(`([0-9]+)([wdhms])`)
	spanUnits = map[string]time.Duration{"w": week, "d": day, "h": time.Hour, "m": time.Minute, "s": time.Second}
)

// UnmarshalText reads "30d", "2w", "1d12h", "0d" or "forever".
func (s *span) UnmarshalText(text []byte) error {
	if string(text) == "forever" {
		*s = forever
		return nil
	}
	wrong := fmt.Errorf("%q: want an age, such as 30d, 2w or 12h, or forever", text)
	if !spans.Match(text) {
		return wrong
	}
	var sum time.Duration
	for _, part := range spanParts.FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.ParseInt(part[1], 10, 64)
		unit := spanUnits[part[2]]
		if err != nil || n > (math.MaxInt64-int64(sum))/int64(unit) {
			return wrong
		}
		sum += time.Duration(n) * unit
	}
	*s = span(sum)
	return nil
}

// String writes what UnmarshalText reads.
func (s span) String() string {
	d := time.Duration(s)
	switch {
	case s < 0:
		return "forever"
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// zone is a flag that names where days begin.
type zone struct{ *time.Location }

// UnmarshalText reads a name of the IANA database, or "Local".
func (z *zone) UnmarshalText(text []byte) (err error) {
	if z.Location, err = time.LoadLocation(string(text)); err != nil || len(text) == 0 {
		return fmt.Errorf("%q: want a time zone, such as UTC, America/Sao_Paulo or Local", text)
	}
	return nil
}
