package arch

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/assist-move-assist/pgcofre"

func TestArrows(t *testing.T) {
	root := os.DirFS("../..")
	if mod, err := fs.ReadFile(root, "go.mod"); err != nil || !strings.HasPrefix(string(mod), "module "+module+"\n") {
		t.Fatalf("the module is not %s: %v", module, err)
	}
	files, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d Go files were found: this test looks in the wrong place", len(files))
	}
	for _, complaint := range check(files) {
		t.Error(complaint)
	}
}

// TestRulesHaveNoCycle: the rules themselves let no two packages import each
// other, however indirectly.
func TestRulesHaveNoCycle(t *testing.T) {
	allowed := map[string][]string{}
	for folder, r := range rules {
		if !slices.Contains(r.ours, anything) {
			allowed[folder] = r.ours
		}
		for _, to := range r.ours {
			if _, ok := rules[to]; !ok && to != anything {
				t.Errorf("%s may import %s, which has no rule", folder, to)
			}
		}
	}
	if c := cycle(allowed); c != nil {
		t.Errorf("the rules allow a cycle: %s", strings.Join(c, " -> "))
	}
}

// file is one Go file.
type file struct {
	path    string
	pkg     string // as in its package clause
	imports []string
}

func (f file) folder() string { return strings.TrimPrefix(path.Dir(f.path), ".") }
func (f file) test() bool     { return strings.HasSuffix(f.path, "_test.go") }
func (f file) external() bool { return f.test() && strings.HasSuffix(f.pkg, "_test") }

// load parses the imports of every Go file, whatever its build constraints.
func load(root fs.FS) (files []file, err error) {
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			// What the go command passes over, too.
			if base := d.Name(); name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{path: name, pkg: parsed.Name.Name}
		for _, i := range parsed.Imports {
			to, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, to)
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// check returns what is wrong, each in one line.
func check(files []file) (complaints []string) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	actual := map[string][]string{}
	for _, f := range files {
		folder := f.folder()
		r, ok := ruleFor(folder)
		if !ok {
			complain("%s: the layout has no package %q", f.path, folder)
			continue
		}
		if folder == "" && f.path != "doc.go" {
			complain("%s: the root package holds doc.go alone", f.path)
		}
		if name := strings.TrimSuffix(f.pkg, "_test"); slices.Contains(vague, name) || slices.Contains(vague, path.Base(folder)) {
			complain("%s: the name %s says nothing of what the package is", f.path, name)
		}
		for _, to := range f.imports {
			if why := f.refuses(r, to); why != "" {
				complain("%s imports %s: %s", f.path, to, why)
			}
			if ours, ok := within(to); ok && !f.test() {
				actual[folder] = append(actual[folder], ours)
			}
		}
	}
	if c := cycle(actual); c != nil {
		complain("import cycle: %s", strings.Join(c, " -> "))
	}
	return complaints
}

// refuses says why a file may not import a package, or "".
func (f file) refuses(r rule, to string) string {
	if f.external() {
		return ""
	}
	folder := f.folder()
	if ours, ok := within(to); ok {
		switch {
		case ours == "internal/oracle" && f.test():
			return ""
		case ours == "internal/oracle":
			return "tests alone may"
		case !r.allows(ours):
			return "no arrow leads there"
		}
		return ""
	}
	if first, _, _ := strings.Cut(to, "/"); !strings.Contains(first, ".") {
		if (to == "testing" || strings.HasPrefix(to, "testing/")) && !f.test() && folder != "internal/oracle" {
			return "tests alone may"
		}
		return ""
	}
	if f.test() {
		return "" // modules that serve tests
	}
	for prefix, owner := range sdks {
		if strings.HasPrefix(to, prefix) && folder != owner {
			return "only " + owner + " links it"
		}
	}
	switch {
	case r.stdOnly:
		return "the package promises to need the standard library alone"
	case r.lean && strings.HasPrefix(to, driver):
		return "the package promises to link no PostgreSQL driver"
	}
	return ""
}

// within returns the folder of a package of this module.
func within(importPath string) (folder string, ok bool) {
	if importPath == module {
		return "", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// cycle returns a closed path through the graph, or nil.
func cycle(graph map[string][]string) []string {
	done := map[string]bool{}
	var trail []string
	var visit func(node string) []string
	visit = func(node string) []string {
		if i := slices.Index(trail, node); i >= 0 {
			return append(slices.Clone(trail[i:]), node)
		}
		if done[node] {
			return nil
		}
		trail = append(trail, node)
		for _, next := range graph[node] {
			if c := visit(next); c != nil {
				return c
			}
		}
		trail = trail[:len(trail)-1]
		done[node] = true
		return nil
	}
	for _, node := range slices.Sorted(maps.Keys(graph)) {
		if c := visit(node); c != nil {
			return c
		}
	}
	return nil
}

// TestCheckCanFail shows one module for each thing that is refused, and one
// for each that is not.
func TestCheckCanFail(t *testing.T) {
	const m = module + "/"
	for _, c := range []struct {
		path, pkg, imports string
		want               string // "" if allowed
	}{
		{"remote/s3/s3.go", "s3", m + "remote", ""},
		{"remote/s3/s3.go", "s3", "github.com/aws/aws-sdk-go-v2/config", ""},
		{"backup/run.go", "backup", m + "internal/codec", ""},
		{"examples/cofre/main.go", "main", m + "remote/gcs", ""},
		{"internal/bench/main.go", "main", m + "internal/pgsession", ""},
		{"remote/dir_test.go", "remote_test", m + "remote/remotetest", ""},
		{"backup/run_test.go", "backup", m + "internal/oracle", ""},
		{"internal/oracle/oracle.go", "oracle", "testing", ""},
		{"testdata/x.go", "x", m + "nothing", ""},

		{"remote/dir.go", "remote", m + "backup/manifest", "no arrow leads there"},
		{"remote/dir_test.go", "remote", m + "remote/remotetest", "no arrow leads there"},
		{"retention/plan.go", "retention", m + "backup", "no arrow leads there"},
		{"backup/run.go", "backup", m + "verify/scratch", "no arrow leads there"},
		{"backup/run.go", "backup", m + "remote/s3", "no arrow leads there"},
		{"examples/cofre/main.go", "main", m + "internal/codec", "no arrow leads there"},
		{"remote/dir.go", "remote", "golang.org/x/sys/unix", "standard library alone"},
		{"remote/dir_darwin.go", "remote", "golang.org/x/sys/unix", "standard library alone"},
		{"retention/plan.go", "retention", "github.com/jackc/pgx/v5", "no PostgreSQL driver"},
		{"verify/health/http.go", "health", "github.com/prometheus/client_golang/prometheus", "only verify/health/prom"},
		{"backup/run.go", "backup", "github.com/aws/aws-sdk-go-v2/config", "only remote/s3"},
		{"remote/remotetest/testsink.go", "remotetest", "testing", "tests alone may"},
		{"backup/run.go", "backup", "testing/fstest", "tests alone may"},
		{"backup/run.go", "backup", m + "internal/oracle", "tests alone may"},
		{"pgcofre.go", "pgcofre", "fmt", "doc.go alone"},
		{"storage/storage.go", "storage", "fmt", `no package "storage"`},
		{"internal/magic/magic.go", "magic", "fmt", `no package "internal/magic"`},
		{"examples/util/util.go", "util", "fmt", "says nothing"},
		{"backup/run.go", "helpers", "fmt", "says nothing"},
		{"internal/bench/main.go", "main", m + "internal/bench", "import cycle: internal/bench -> internal/bench"},
	} {
		src := fmt.Sprintf("package %s\n\nimport _ %q\n", c.pkg, c.imports)
		files, err := load(fstest.MapFS{c.path: {Data: []byte(src)}})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(check(files), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s importing %s: got %q, want %q", c.path, c.imports, got, cmp.Or(c.want, "nothing"))
		}
	}
}
