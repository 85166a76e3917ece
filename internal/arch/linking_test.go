package arch

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestLinking: a program links the SDK of the provider that it imports, and of
// no other, however the packages between them change.
func TestLinking(t *testing.T) {
	links := links(t)
	for _, program := range []struct {
		imports []string // folders of this module
		sdk     string   // whose it must link; "": none
	}{
		{[]string{"backup", "remote", "remote/s3"}, "remote/s3"},
		{[]string{"backup", "remote", "remote/gcs"}, "remote/gcs"},
		{[]string{"backup", "remote", "remote/azure"}, "remote/azure"},
		{[]string{"backup", "restore", "verify", "verify/scratch", "remote", "remote/remotetest"}, ""},
	} {
		owners := map[string]bool{}
		for _, folder := range program.imports {
			if links[folder] == nil {
				t.Errorf("there is no package %s", folder)
			}
			for _, linked := range links[folder] {
				owner := ownerOf(linked)
				owners[owner] = true
				if owner != "" && owner != program.sdk {
					t.Errorf("a program that imports %q links %s", program.imports, linked)
				}
			}
		}
		if !owners[program.sdk] {
			t.Errorf("a program that imports %q links no SDK: this test looks for the wrong ones", program.imports)
		}
	}
}

// TestPromises: what the rules refuse to a package's own imports does not come
// with another's either.
func TestPromises(t *testing.T) {
	links := links(t)
	for _, folder := range slices.Sorted(maps.Keys(links)) {
		r, _ := ruleFor(folder)
		for _, linked := range links[folder] {
			host, _, _ := strings.Cut(linked, "/")
			_, ours := within(linked)
			switch owner := ownerOf(linked); {
			case r.stdOnly && !ours && strings.Contains(host, "."):
				t.Errorf("%s links %s, and promises to need the standard library alone", folder, linked)
			case r.lean && strings.HasPrefix(linked, driver):
				t.Errorf("%s links %s, and promises to link no PostgreSQL driver", folder, linked)
			case r.lean && owner != "" && owner != folder:
				t.Errorf("%s links %s, and promises to link no SDK", folder, linked)
			}
		}
	}
}

// ownerOf is the package that alone may import another module's, "" for any.
func ownerOf(importPath string) string {
	for prefix, owner := range sdks {
		if strings.HasPrefix(importPath, prefix) {
			return owner
		}
	}
	return ""
}

// links are, for every package of this module by its folder, the packages that
// a program links with it.
func links(t *testing.T) map[string][]string {
	t.Helper()
	var errs strings.Builder
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...")
	cmd.Dir, cmd.Stderr = "../..", &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errs.String())
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		packages := strings.Fields(line)
		if folder, ok := within(packages[0]); ok {
			all[folder] = packages[1:]
		}
	}
	return all
}
