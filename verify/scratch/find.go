package scratch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// BinVariable names the environment variable that lists folders with server
// binaries, separated as PATH is. What it lists comes before anything else.
const BinVariable = "PGCOFRE_PGBIN"

// usual are the folders of Debian, the PostgreSQL project's Red Hat packages,
// openSUSE, Alpine, Gentoo, Homebrew, EDB's installers and Postgres.app.
var usual = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/lib/postgresql[0-9]*/bin",
	"/usr/libexec/postgresql[0-9]*",
	"/usr/lib64/postgresql-*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	"/Library/PostgreSQL/*/bin",
	"/opt/PostgreSQL/*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// Install is one installed set of server binaries.
type Install struct {
	BinDir  string // absolute folder of postgres and initdb
	Major   int    // 17
	Version string // "17.10", as the server prints it
}

// NotFoundError says that no server binaries of the wanted major were found.
type NotFoundError struct {
	Major int // 0: any
}

func (e *NotFoundError) Error() string {
	wanted, apt, dnf, brew := "PostgreSQL", "postgresql", "postgresql-server", "postgresql"
	if e.Major != 0 {
		n := strconv.Itoa(e.Major)
		wanted, apt, dnf, brew = wanted+" "+n, "postgresql-"+n, "postgresql"+n+"-server", "postgresql@"+n
	}
	return fmt.Sprintf("scratch: no server binaries of %s found; install them (Debian, Ubuntu: apt-get install %s; Red Hat, Fedora: dnf install %s; macOS: brew install %s) or list their bin folders in %s",
		wanted, apt, dnf, brew, BinVariable)
}

// Places returns the folders in which programs of PostgreSQL are looked for:
// those of [BinVariable], of PATH, and the usual ones of the platforms.
func Places() []string {
	listed, rest := places()
	return append(listed, rest...)
}

func places() (listed, rest []string) {
	for _, dir := range filepath.SplitList(os.Getenv(BinVariable)) {
		if dir, err := filepath.Abs(dir); err == nil {
			listed = append(listed, dir)
		}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.IsAbs(dir) {
			rest = append(rest, dir)
		}
	}
	for _, pattern := range usual {
		dirs, _ := filepath.Glob(pattern) // the patterns are constants, and well formed
		rest = append(rest, dirs...)
	}
	return listed, rest
}

// Installs returns the server binaries found: first those that [BinVariable]
// lists, then the others, each group with the newest major first.
func Installs() []Install {
	listed, rest := places()
	seen := map[string]bool{}
	return append(installsIn(listed, seen), installsIn(rest, seen)...)
}

// installsIn inspects the servers that were not seen before.
func installsIn(dirs []string, seen map[string]bool) []Install {
	var found []Install
	for _, dir := range dirs {
		real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		if in, err := inspect(dir); err == nil {
			found = append(found, in)
		}
	}
	slices.SortStableFunc(found, func(a, b Install) int { return b.Major - a.Major })
	return found
}

// Find returns the first of [Installs] with the wanted major, or the first of
// all when major is 0. The error is a [*NotFoundError].
func Find(major int) (Install, error) {
	for _, in := range Installs() {
		if major == 0 || in.Major == major {
			return in, nil
		}
	}
	return Install{}, &NotFoundError{Major: major}
}

var versionText = regexp.MustCompile(`\(PostgreSQL\) ((\d+)[.0-9a-z]*)`)

// inspect asks the server in dir for its version.
func inspect(dir string) (Install, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return Install{}, err
	}
	server := filepath.Join(dir, "postgres")
	if _, err := os.Stat(server); err != nil {
		return Install{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, server, "-V")
	cmd.Env = environment(dir)
	out, err := cmd.Output()
	if err != nil {
		return Install{}, fmt.Errorf("scratch: %s -V: %w", server, err)
	}
	m := versionText.FindSubmatch(out)
	if m == nil {
		return Install{}, fmt.Errorf("scratch: %s -V printed %q, which names no version", server, strings.TrimSpace(string(out)))
	}
	major, err := strconv.Atoi(string(m[2]))
	return Install{BinDir: dir, Major: major, Version: string(m[1])}, err
}

// environment is what the programs in bin run with: nothing of the caller's
// PG* variables, and the libraries of relocated builds, which keep libpq beside
// the bin folder.
func environment(bin string) []string {
	env := []string{"PATH=" + bin + ":/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "HOME=/"}
	lib := filepath.Join(filepath.Dir(bin), "lib")
	if own, _ := filepath.Glob(filepath.Join(lib, "libpq.so*")); own != nil && runtime.GOOS == "linux" {
		env = append(env, "LD_LIBRARY_PATH="+lib)
	}
	return env
}
