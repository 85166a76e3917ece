package scratch

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is whom the server runs as: nil is the caller. PostgreSQL refuses to
// run as root (src/backend/main/main.c), so root's servers run as postgres,
// or as nobody where there is no such user.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("scratch: user %s has the uid %q: %w", name, u.Uid, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("scratch: user %s has the gid %q: %w", name, u.Gid, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("scratch: PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// may reports whether the account has the permission bits (of rwx, as 7) on
// path. A nil account is judged by the system when it tries.
func may(cred *syscall.Credential, path string, bits fs.FileMode) bool {
	if cred == nil {
		return true
	}
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		switch {
		case stat.Uid == cred.Uid:
			bits <<= 6
		case stat.Gid == cred.Gid:
			bits <<= 3
		}
	}
	return info.Mode().Perm()&bits == bits
}

// reaches reports whether the account can pass through every folder down to
// dir, and dir itself.
func reaches(cred *syscall.Credential, dir string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	for ; ; dir = filepath.Dir(dir) {
		if !may(cred, dir, 1) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// socketRoom is the longest folder in which a socket of ours fits: macOS holds
// 104 bytes of path, its end included, and the server adds /.s.PGSQL.65535.
const socketRoom = 80

// makeDir creates the private folder of a server, owned by its account, in the
// system's temporary folder, or in /tmp where that is too deep for a socket
// (macOS) or closed to the account. The account must be able to remove the
// folder, hence the permission to write on its parent.
func makeDir(cred *syscall.Credential) (string, error) {
	base := os.TempDir()
	if len(base)+len("/pgcofre-4294967295") > socketRoom || !reaches(cred, base) || !may(cred, base, 3) {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "pgcofre-")
	if err != nil {
		return "", fmt.Errorf("scratch: %w", err)
	}
	return dir, own(cred, dir)
}

// own gives path to the account.
func own(cred *syscall.Credential, path string) error {
	if cred == nil {
		return nil
	}
	if err := os.Chown(path, int(cred.Uid), int(cred.Gid)); err != nil {
		return fmt.Errorf("scratch: %w", err)
	}
	return nil
}
