package backup_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/bench/workload"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
)

// Variables that make the test binary a process that backs up or restores.
const (
	storesRole        = "PGCOFRE_STORES_ROLE"        // backup or restore
	storesURL         = "PGCOFRE_STORES_URL"         // of the database
	storesSink        = "PGCOFRE_STORES_SINK"        // its URL
	storesIdentity    = "PGCOFRE_STORES_IDENTITY"    // of age; "": nothing is encrypted
	storesCompression = "PGCOFRE_STORES_COMPRESSION" // of the backup
)

// storesJobs is the number of jobs for which storesPeak is promised.
const (
	storesJobs = 4
	storesPeak = 192 << 20
)

// sealKey is the key of the sealed set.
var sealKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// TestStores: a whole database goes straight to each kind of store and comes
// back equal, in bounded memory and without a file on this machine.
func TestStores(t *testing.T) {
	if role := os.Getenv(storesRole); role != "" {
		if err := storesChild(t, role); err != nil {
			t.Fatal(err)
		}
		return
	}
	sizes, partSize := workload.Sizes{Large: 22, Middling: 2, Each: 1, Wide: 4, Empty: 2}, "5242880" // so that there are some parts
	if os.Getenv("PGCOFRE_LONG") != "" {
		sizes, partSize = workload.Sizes{Large: 800, Middling: 20, Each: 3, Wide: 32, Empty: 2}, ""
	}
	srv, all := oracle.Server(t, 0), clouds(t)
	source := oracle.Database(t, srv)
	if err := workload.Build(t.Context(), connect(t, source), sizes); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			c.set("part_size", partSize)
			p := &passage{cloud: c, sink: c.sink(t, c.addr, "")}
			if c.name == "S3 TLS" {
				p.encrypt(t)
			}
			p.run(t, "backup", source)
			inventory, err := manifest.Scan(t.Context(), p.sink, &manifest.ScanOptions{Trust: p.trust})
			if err != nil || len(inventory.Sets) != 1 {
				t.Fatalf("%d sets are listed: %v", len(inventory.Sets), err)
			}
			set := inventory.Sets[0]
			v := &verify.Verifier{Sink: p.sink, Identities: p.identities(), Trust: p.trust}
			rep, err := v.Integrity(t.Context(), set)
			if err != nil || !rep.OK() || rep.Tables < 5 {
				t.Errorf("Integrity: %+v, %v", rep, err)
			}
			equal := func(how, database string) {
				t.Helper()
				rep, err := v.Compare(t.Context(), set, oracle.Config(t, database), nil)
				if err != nil || !rep.OK() || rep.Rows < 50_000 {
					t.Errorf("restored %s: %+v, %v", how, rep, err)
				}
			}
			restored := oracle.Database(t, srv)
			p.run(t, "restore", restored)
			equal("by ourselves", restored)
			if p.identity != nil {
				target := oracle.Database(t, srv)
				oracle.Restore(t, oracle.Client(t, srv.Major()), target, p.decrypted(t, set), "-j4")
				equal("by age and pg_restore", target)
			}
		})
	}
}

// passage is the way of one database to a store and back.
type passage struct {
	*cloud
	sink     remote.RemoteSink
	identity *age.X25519Identity // nil: nothing is encrypted
	trust    []ed25519.PublicKey // nil: nothing is sealed
}

// encrypt makes the set an encrypted and sealed one.
func (p *passage) encrypt(t *testing.T) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	p.identity, p.trust = id, []ed25519.PublicKey{sealKey.Public().(ed25519.PublicKey)}
}

func (p *passage) identities() []age.Identity {
	if p.identity == nil {
		return nil
	}
	return []age.Identity{p.identity}
}

// run plays a role in a process of its own, which it watches: its memory, its
// open files, its temporary folder.
func (p *passage) run(t *testing.T, role, database string) {
	t.Helper()
	tmp := t.TempDir()
	before, err := os.Stat(tmp)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStores$")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, storesRole+"="+role, storesURL+"="+database, storesSink+"="+p.url.String(),
		storesCompression+"="+compressionFor(oracle.Server(t, 0).Major()))
	for name, value := range p.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if p.identity != nil {
		cmd.Env = append(cmd.Env, storesIdentity+"="+p.identity.String())
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	written := make(chan []string)
	go func() { written <- filesWritten(cmd.Process.Pid, ended) }()
	err = cmd.Wait()
	close(ended)
	if files := <-written; len(files) > 0 {
		t.Errorf("%s had files open to write: %q", role, files)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", role, err, out.String(), errs.String())
	}
	// What comes or goes in a folder changes its time.
	after, err := os.Stat(tmp)
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("%s used the temporary folder: %v", role, err)
	}
	var peak int64
	var took time.Duration
	if _, err := fmt.Fscanf(&out, "peak %d took %d", &peak, &took); err != nil {
		t.Fatalf("%s: %v", role, err)
	}
	t.Logf("%s: peak %d MiB, %v", role, peak>>20, took.Round(time.Millisecond))
	if peak > storesPeak && !raceDetector() {
		t.Errorf("%s took %d MiB of memory, more than %d", role, peak>>20, storesPeak>>20)
	}
}

// compressionFor is one that pg_restore of that major reads.
func compressionFor(major int) string {
	if major < 16 {
		return "gzip"
	}
	return "zstd"
}

// raceDetector tells whether memory is that of the race detector.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// filesWritten looks again and again, until the process has ended, which files
// it has open to write, where the system tells (proc(5)).
func filesWritten(pid int, ended <-chan struct{}) (found []string) {
	seen := map[string]bool{}
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			name, err := os.Readlink(fd)
			if err != nil || !strings.HasPrefix(name, "/") || strings.HasPrefix(name, "/dev/") || seen[name] {
				continue // closed meanwhile, a socket, a pipe, a device
			}
			info, err := os.ReadFile(strings.Replace(fd, "/fd/", "/fdinfo/", 1))
			if err != nil {
				continue
			}
			var flags int
			_, after, _ := bytes.Cut(info, []byte("flags:"))
			if _, err := fmt.Fscanf(bytes.NewReader(after), "%o", &flags); err != nil || flags&(os.O_WRONLY|os.O_RDWR) != 0 {
				seen[name] = true
				found = append(found, name)
			}
		}
		select {
		case <-tick.C:
		case <-ended:
			tick.Stop()
			return found
		}
	}
}

// storesChild plays the role, and prints the most memory that it took.
func storesChild(t *testing.T, role string) error {
	u, err := url.Parse(os.Getenv(storesSink))
	if err != nil {
		return err
	}
	sink, err := openURL(t.Context(), u)
	if err != nil {
		return err
	}
	opts := &backup.Options{Compression: os.Getenv(storesCompression)}
	var identities []age.Identity
	if text := os.Getenv(storesIdentity); text != "" {
		id, err := age.ParseX25519Identity(text)
		if err != nil {
			return err
		}
		identities = []age.Identity{id}
		opts.Recipients, opts.Seal = []age.Recipient{id.Recipient()}, sealKey
	}
	cfg := oracle.Config(t, os.Getenv(storesURL))
	start := time.Now()
	switch role {
	case "backup":
		_, err = backup.Run(t.Context(), sink, &backup.Dumper{Config: cfg, Jobs: storesJobs}, opts)
	case "restore":
		err = restoreLatest(t.Context(), &restore.Restorer{Sink: sink, Target: cfg, Identities: identities}, storesJobs)
	}
	if err != nil {
		return err
	}
	fmt.Printf("peak %d took %d\n", ownPeak(t), time.Since(start))
	return nil
}

// decrypted downloads a set into a folder, every object opened by the stock age
// program.
func (p *passage) decrypted(t *testing.T, set *manifest.Manifest) string {
	t.Helper()
	stock, dir := oracle.Age(t), t.TempDir()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(p.identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, obj := range set.Objects {
		name, ok := strings.CutSuffix(obj.Name, ".age")
		if !ok {
			t.Errorf("%s is not encrypted", obj.Name)
		}
		plain := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(plain), 0o700); err != nil {
			t.Fatal(err)
		}
		r, err := p.sink.Get(t.Context(), set.Path(obj.Name))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), stock, "-d", "-i", key, "-o", plain)
		cmd.Stdin = r
		out, err := cmd.CombinedOutput()
		r.Close()
		if err != nil {
			t.Fatalf("age -d of %s: %v\n%s", obj.Name, err, out)
		}
	}
	return dir
}
