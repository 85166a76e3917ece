package manifest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// Every night the copy elsewhere is caught up. One object was spoilt at the
// source since: that set is not copied, and the error tells.
func ExampleSync() {
	ctx := context.Background()
	local, offsite := remotetest.NewMem(), remotetest.NewMem()
	for day, rows := range []string{"1\n", "1\n2\n", "1\n2\n3\n"} {
		at := time.Date(2025, 8, 8+day, 2, 0, 0, 0, time.UTC)
		sum := sha256.Sum256([]byte(rows))
		m := &manifest.Manifest{
			Format: manifest.FormatVersion, ID: fmt.Sprintf("full/202508%02dT020000Z-k7f3", at.Day()), Source: "app",
			Kind: manifest.Full, Scope: manifest.Whole, Purpose: manifest.Backup,
			Start: at, End: at.Add(time.Minute), DataTime: at, Producer: "example",
			Objects: []manifest.Object{{Name: "1.dat", Size: int64(len(rows)), SHA256: hex.EncodeToString(sum[:]), Raw: int64(len(rows))}},
		}
		text, err := m.Encode()
		if err != nil {
			fmt.Println(err)
			return
		}
		if day == 1 {
			rows = "1\n7\n"
		}
		_, err = local.Put(ctx, m.ID+"/1.dat", strings.NewReader(rows), nil)
		if err == nil {
			_, err = local.Put(ctx, m.ID+"/"+manifest.Name, strings.NewReader(string(text)), nil)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}

	res, err := manifest.Sync(ctx, local, offsite, &manifest.SyncOptions{ByMonth: true, Delete: true})
	if res == nil {
		fmt.Println(err) // nothing was done
		return
	}
	fmt.Println(res)
	var failed *manifest.SyncError
	if errors.As(err, &failed) {
		fmt.Println("to look at:", failed.Failed[0].ID)
	}
	// Output:
	// copied   full/20250808T020000Z-k7f3 (objects: 1, bytes: 2)
	// failed   full/20250809T020000Z-k7f3: the source: set full/20250809T020000Z-k7f3 is damaged: object 1.dat: it has other bytes than its hash is of
	// copied   full/20250810T020000Z-k7f3 (objects: 1, bytes: 6)
	// 2 copied, 0 repaired, 0 same, 0 deleted, 0 kept, 1 failed, objects: 2, bytes: 8
	// to look at: full/20250809T020000Z-k7f3
}
