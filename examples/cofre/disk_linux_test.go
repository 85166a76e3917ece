package main

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestFullDisk: a sink that has no room left fails the backup, which leaves
// nothing behind.
func TestFullDisk(t *testing.T) {
	sink := t.TempDir()
	err := syscall.Mount("cofre", sink, "tmpfs", 0, "size=32k")
	if errors.Is(err, syscall.EPERM) {
		oracle.Missing(t, "only root can mount a small disk: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(sink, 0); err != nil {
			t.Error(err)
		}
	})
	p := start(t, "full", "--db", oracle.Database(t, oracle.Server(t, 0), sample), "--sink", sink, "--compress", "none")
	if got := p.code(); got != exitFailed || !strings.Contains(p.stderr.String(), "no space left on device") {
		t.Errorf("exit code %d\n%s", got, &p.stderr)
	}
	if left := glob(t, sink, "full", "*", "*"); left != nil {
		t.Errorf("left behind: %q", left)
	}
}
