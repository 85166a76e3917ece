package retention_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/retention"
)

// weekly fills a sink with a full set on each of so many Sundays, one small
// object each.
func weekly(sink remote.RemoteSink, sundays int) error {
	for i := range sundays {
		at := time.Date(2025, 6, 1+7*i, 2, 0, 0, 0, time.UTC)
		m := &manifest.Manifest{
			Format: manifest.FormatVersion, ID: fmt.Sprintf("full/%s-k7f3", at.Format("20060102T150405Z")), Source: "app",
			Kind: manifest.Full, Scope: manifest.Whole, Purpose: manifest.Backup,
			Start: at, End: at.Add(time.Minute), DataTime: at, Producer: "example",
			Objects: []manifest.Object{{Name: "1.dat", Size: 4, SHA256: strings.Repeat("0", 64), Raw: 4}},
		}
		text, err := m.Encode()
		if err != nil {
			return err
		}
		for name, content := range map[string]string{"1.dat": "rows", manifest.Name: string(text)} {
			if _, err := sink.Put(context.Background(), m.ID+"/"+name, strings.NewReader(content), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// A dry run of the documented policy: who reads it sees why each set stays or
// goes.
func ExampleDocumented() {
	sink := remotetest.NewMem()
	if err := weekly(sink, 7); err != nil {
		log.Fatal(err)
	}
	now := time.Date(2025, 7, 13, 4, 0, 0, 0, time.UTC)
	res, err := retention.Clean(context.Background(), sink, retention.Documented(), now, &retention.Options{DryRun: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res)
	// Output:
	// app:
	// delete set full/20250601T020000Z-k7f3: it is 42 days old, of full sets are kept: 30 days
	// delete set full/20250608T020000Z-k7f3: it is 35 days old, of full sets are kept: 30 days
	// keep   set full/20250615T020000Z-k7f3: it is 28 days old, 30 days are kept
	// keep   set full/20250622T020000Z-k7f3: it is 21 days old, 30 days are kept
	// keep   set full/20250629T020000Z-k7f3: it is 14 days old, 30 days are kept
	// keep   set full/20250706T020000Z-k7f3: it is 7 days old, 30 days are kept; a run may be building on it: it was the newest within 1 day
	// keep   set full/20250713T020000Z-k7f3: it is 2h0m old, 30 days are kept; a run may be building on it: it was the newest within 1 day; the last good database set of "app"; the last good full set of "app"
	// 5 sets to keep (20 bytes); to delete: 2 sets (8 bytes), 0 leftovers (0 bytes), 0 proofs, 0 records of runs
	// dry run, nothing was changed
}

// Grandfather, father, son: the newest set of each of the last two weeks and of
// six months, by the calendar of where the company is: there it is still May
// when the first one is taken.
func ExampleClean() {
	sink := remotetest.NewMem()
	if err := weekly(sink, 12); err != nil {
		log.Fatal(err)
	}
	policy := retention.RetentionPolicy{
		Full:        retention.Rule{Weekly: 2, Monthly: 6},
		MinVerified: 1,
		Location:    time.FixedZone("BRT", -3*60*60),
	}
	now := time.Date(2025, 8, 20, 4, 0, 0, 0, time.UTC)
	res, err := retention.Clean(context.Background(), sink, policy, now, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, set := range res.Plan.Kept() {
		fmt.Println(set.ID)
	}
	fmt.Println(res.Count(retention.Set, retention.Deleted), "deleted")
	// Output:
	// full/20250601T020000Z-k7f3
	// full/20250629T020000Z-k7f3
	// full/20250727T020000Z-k7f3
	// full/20250810T020000Z-k7f3
	// full/20250817T020000Z-k7f3
	// 7 deleted
}
