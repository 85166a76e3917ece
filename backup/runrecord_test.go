package backup_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// records are the runs that a sink holds records of.
func records(t *testing.T, sink remote.RemoteSink, trust ...ed25519.PublicKey) []*manifest.Run {
	t.Helper()
	inv, err := manifest.Scan(context.WithoutCancel(t.Context()), sink, &manifest.ScanOptions{RunsSince: time.Unix(0, 0), Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Refused) > 0 {
		t.Errorf("refused %v", inv.Refused)
	}
	return inv.Runs
}

// endingSource puts an object and then does what end says.
type endingSource struct {
	objectsSource
	end func(context.Context) error
}

func (s endingSource) Backup(ctx context.Context, w *backup.Writer) error {
	if err := s.objectsSource.Backup(ctx, w); err != nil {
		return err
	}
	return s.end(ctx)
}

// Whatever becomes of a run, the sink's record says so; until then it says that
// the run is at work. What an error says is kept where the set is readable, and
// nowhere else.
func TestRunRecord(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	recipients := []age.Recipient{newX25519(t).Recipient()}
	for name, test := range map[string]struct {
		end     error
		cancel  bool
		opts    backup.Options
		outcome manifest.Outcome
		class   string
		message string // a part
	}{
		"good":                {nil, false, backup.Options{}, manifest.Done, "", ""},
		"small":               {nil, false, backup.Options{MinSize: 1 << 20}, manifest.Suspect, "suspect", "less than the floor"},
		"busy":                {fmt.Errorf("app: %w", backup.ErrBusy), false, backup.Options{}, manifest.Busy, "busy", "app"},
		"lost":                {backup.ErrLost, false, backup.Options{}, manifest.Failed, "lost", ""},
		"server":              {&pgconn.PgError{Code: "42P01", Message: "no salaries"}, false, backup.Options{}, manifest.Failed, "42P01", "no salaries"},
		"server, encrypted":   {&pgconn.PgError{Code: "42P01", Message: "no salaries"}, false, backup.Options{Recipients: recipients}, manifest.Failed, "42P01", ""},
		"small and encrypted": {nil, false, backup.Options{MinSize: 1 << 20, Recipients: recipients}, manifest.Suspect, "suspect", ""},
		"cancelled":           {context.Canceled, true, backup.Options{}, manifest.Cancelled, "cancelled", "canceled"},
		"other":               {errors.New("the dog ate it"), false, backup.Options{Seal: private}, manifest.Failed, "other", "the dog ate it"},
	} {
		t.Run(name, func(t *testing.T) {
			mem := remotetest.NewMem()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var trust []ed25519.PublicKey
			if test.opts.Seal != nil {
				trust = append(trust, public)
			}
			src := endingSource{objectsSource{name: "app", objects: 2}, func(context.Context) error {
				if runs := records(t, mem, trust...); len(runs) != 1 || runs[0].Outcome != manifest.Running || runs[0].Source != "app" {
					t.Errorf("while it is at work: %+v", runs)
				}
				if test.cancel {
					cancel()
				}
				return test.end
			}}
			res, _ := backup.Run(ctx, mem, src, &test.opts)
			runs := records(t, mem, trust...)
			if len(runs) != 1 {
				t.Fatalf("%d records", len(runs))
			}
			r := runs[0]
			if r.Outcome != test.outcome || r.Class != test.class || !strings.Contains(r.Message, test.message) || (r.Message == "") != (test.message == "" && name != "lost") {
				t.Errorf("the record is %+v", r)
			}
			if r.Kind != manifest.Storage || r.Raw != int64(len("object 0object 1")) || r.Stored == 0 || r.Producer == "" || r.End.Before(r.Start) {
				t.Errorf("the record is %+v", r)
			}
			if (res != nil) != (r.Copies == 1) || res != nil && res.ID != r.Set {
				t.Errorf("the record is %+v, the result %+v", r, res)
			}
		})
	}
}

// A run that comes to nothing before its source is asked is recorded where that
// can be, as is one that reached too few sinks.
func TestRunRecordOfSinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := remotetest.NewMem()
		full := &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnPut: func(context.Context, string, io.Reader) (io.Reader, error) { return nil, syscall.ENOSPC }}
		src := objectsSource{name: "app", objects: 2}
		if _, err := backup.Run(t.Context(), good, src, &backup.Options{Copies: []remote.RemoteSink{full}, MinCopies: 2}); err == nil {
			t.Error("one of two sinks is enough")
		}
		if runs := records(t, good); len(runs) != 1 || runs[0].Outcome != manifest.Failed || runs[0].Class != "sink" || runs[0].Kind != "" || runs[0].Set != "" {
			t.Errorf("records %+v", runs[0])
		}

		late := &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
			if isManifest(name) {
				return nil, syscall.ENOSPC
			}
			return r, nil
		}}
		good = remotetest.NewMem()
		if _, err := backup.Run(t.Context(), good, src, &backup.Options{Copies: []remote.RemoteSink{late}, MinCopies: 2}); err == nil {
			t.Error("one of two sinks is enough")
		}
		for _, sink := range []remote.RemoteSink{good, late} { // the sink that failed gets it too
			if runs := records(t, sink); len(runs) != 1 || runs[0].Outcome != manifest.Done || runs[0].Class != "copies" || runs[0].Copies != 1 || runs[0].Warnings != 1 {
				t.Errorf("records %+v", runs[0])
			}
		}

		failing := &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
			if strings.Contains(name, "/1.dat") {
				return nil, errReply
			}
			return r, nil
		}}
		if _, err := backup.Run(t.Context(), failing, src, nil); !errors.Is(err, errReply) {
			t.Error(err)
		}
		if runs := records(t, failing); len(runs) != 1 || runs[0].Outcome != manifest.Failed || runs[0].Class != "sink" || runs[0].Set == "" || runs[0].Copies != 0 {
			t.Errorf("records %+v", runs[0])
		}
	})
}

// The set is committed whatever becomes of the record of its run.
func TestRunRecordLost(t *testing.T) {
	for _, hang := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			mem := remotetest.NewMem()
			sink := &remotetest.Faulty{RemoteSink: mem, OnPut: func(ctx context.Context, name string, r io.Reader) (io.Reader, error) {
				switch _, _, record := manifest.RunID(name); {
				case !record || strings.Contains(name, "running"):
					return r, nil
				case hang:
					return nil, remotetest.Hang(ctx)
				}
				return nil, errReply
			}}
			began := time.Now()
			res, err := backup.Run(t.Context(), sink, objectsSource{name: "app", objects: 1}, nil)
			if err != nil || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "record of the run") {
				t.Errorf("%+v, %v", res, err)
			}
			if took := time.Since(began); took > 2*time.Minute {
				t.Errorf("it took %v", took)
			}
			if runs := records(t, mem); len(runs) != 1 || runs[0].Outcome != manifest.Running {
				t.Errorf("records %+v", runs)
			}
		})
	}
}

// Two runs on one database: the one that finds it busy leaves a record that
// says so, and the phase that it was at.
func TestRunRecordBusy(t *testing.T) {
	t.Parallel()
	url, sink := database(t), remotetest.NewMem()
	src := &backup.Dumper{Config: oracle.Config(t, url), Name: "app"}
	outer := &remotetest.Faulty{RemoteSink: remotetest.NewMem()}
	asked := false
	outer.OnPut = func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if !asked && strings.HasPrefix(name, "full/") {
			asked = true
			if _, err := backup.Run(t.Context(), sink, src, nil); !errors.Is(err, backup.ErrBusy) {
				t.Errorf("the second run: %v", err)
			}
		}
		return r, nil
	}
	if _, err := backup.Run(t.Context(), outer, &backup.Dumper{Config: oracle.Config(t, url), Name: "app", Jobs: 1}, nil); err != nil {
		t.Fatal(err)
	}
	if runs := records(t, sink); len(runs) != 1 || runs[0].Outcome != manifest.Busy || runs[0].Class != "busy" || runs[0].Phase != "connecting" || runs[0].Set != "" {
		t.Errorf("records %+v", runs[0])
	}
	if runs := records(t, outer); len(runs) != 1 || runs[0].Outcome != manifest.Done || runs[0].Rows != 21000 || runs[0].Kind != manifest.Full {
		t.Errorf("records %+v", runs[0])
	}
}
