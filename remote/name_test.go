package remote_test

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/assist-move-assist/pgcofre/remote"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{
		"a", "a/b", "full/20250808T020000Z-k7f3/toc.dat", "x..y", "x.", "a b", "é/日本", strings.Repeat("n", remote.MaxName),
	} {
		if err := remote.CheckName(name); err != nil {
			t.Error(err)
		}
		if err := remote.CheckPrefix(name); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]string{
		"":                                      "is empty",
		"/x":                                    "begins with a slash",
		"x/":                                    "ends in a slash",
		"x//y":                                  "empty element",
		"..":                                    "begins with a dot",
		"x/../y":                                "begins with a dot",
		".hidden":                               "begins with a dot",
		"x\x00":                                 "control character",
		"x\n":                                   "control character",
		`x\y`:                                   "backslash",
		"\xff":                                  "not UTF-8",
		strings.Repeat("n", remote.MaxName+1):   "1025 bytes",
		strings.Repeat("é", remote.MaxName/2+1): "1026 bytes",
	} {
		err := remote.CheckName(name)
		if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckName(%.20q) gives %v, want %q", name, err, want)
		}
	}
}

func TestCheckPrefix(t *testing.T) {
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/"} {
		if err := remote.CheckPrefix(prefix); err != nil {
			t.Error(err)
		}
	}
	for _, prefix := range []string{"/", "a//", ".", "a/.", "../", `\`} {
		if err := remote.CheckPrefix(prefix); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("CheckPrefix(%q) gives %v", prefix, err)
		}
	}
}

func TestError(t *testing.T) {
	err := error(&remote.Error{Op: "put", Sink: "/backups", Name: "full/x", Err: &fs.PathError{Op: "write", Path: "t", Err: syscall.ENOSPC}})
	if got, want := err.Error(), `put "full/x" in /backups: write t: no space left on device`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Error("ENOSPC is lost")
	}
	if got, want := (&remote.Error{Op: "sweep", Err: fs.ErrPermission}).Error(), "sweep: permission denied"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
