package manifest_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// What a sink holds, and which set a restore would take.
func ExampleScan() {
	ctx := context.Background()
	sink := remotetest.NewMem()
	for day := range 3 {
		at := time.Date(2025, 8, 8+day, 2, 0, 0, 0, time.UTC)
		m := &manifest.Manifest{
			Format: manifest.FormatVersion, ID: manifest.NewID(manifest.Full, at), Source: "app",
			Kind: manifest.Full, Scope: manifest.Whole, Purpose: manifest.Backup,
			Start: at, End: at.Add(time.Minute), DataTime: at, Producer: "example",
		}
		if day == 2 {
			m.Suspect = []string{"a tenth of the usual size"}
		}
		b, err := m.Encode()
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, err := sink.Put(ctx, m.ID+"/"+manifest.Name, strings.NewReader(string(b)), nil); err != nil {
			fmt.Println(err)
			return
		}
	}

	inv, err := manifest.Scan(ctx, sink, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range inv.Source("app").Sets {
		fmt.Println(m.Kind, m.Start.Format(time.DateOnly), "good:", m.Good())
	}
	set, err := inv.Find("latest")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("latest:", set.Start.Format(time.DateOnly))
	// Output:
	// full 2025-08-08 good: true
	// full 2025-08-09 good: true
	// full 2025-08-10 good: false
	// latest: 2025-08-09
}

// A reader that is too old says so, and what wrote the set.
func ExampleNewerFormatError() {
	_, err := manifest.Parse([]byte(`{"format": 2, "producer": "pgcofre v2.0.0"}`))
	fmt.Println(err)
	// Output:
	// manifest format 2, written by "pgcofre v2.0.0", is newer than 1, the newest that this program reads: use a newer release of it
}

// The name of a set tells its kind and when it was started.
func ExampleKindOf() {
	fmt.Println(manifest.KindOf("incremental/20250808T020000Z-k7f3"))
	// Output: incremental
}
