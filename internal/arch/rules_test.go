// Package arch holds the test that keeps the arrows: which package may import
// which. The layout is a promise to those who embed the library: who imports
// the remote package links no PostgreSQL driver, and who imports one provider
// links one SDK.
package arch

import (
	"slices"
	"strings"
)

// rule says what one package may import.
type rule struct {
	ours    []string // packages of this module
	stdOnly bool     // no other module
	lean    bool     // no PostgreSQL driver and no SDK
}

// what backup may use; restore and verify build on it.
var forBackup = []string{
	"remote", "remote/remotetest", "backup/manifest", "backup/toc",
	"internal/codec", "internal/delta", "internal/pgsession", "internal/pgschema", "internal/proof",
}

// rules has every package that there may be, by its folder. Test files of
// package x_test may import anything, those of package x what x may.
var rules = map[string]rule{
	"":                  {stdOnly: true},
	"remote":            {stdOnly: true},
	"remote/remotetest": {ours: []string{"remote"}, stdOnly: true},
	"remote/s3":         {ours: []string{"remote", "internal/part"}},
	"remote/gcs":        {ours: []string{"remote"}},
	"remote/azure":      {ours: []string{"remote", "internal/part"}},
	"internal/part":     {stdOnly: true},

	"backup/manifest":    {ours: []string{"remote"}, stdOnly: true},
	"backup/toc":         {stdOnly: true},
	"internal/codec":     {lean: true},
	"internal/pgsession": {},
	"verify/scratch":     {},
	"internal/pgschema":  {ours: []string{"backup/toc", "internal/pgsession"}},
	"internal/delta":     {ours: []string{"internal/pgsession"}},
	"internal/proof": {ours: []string{
		"backup/manifest", "backup/toc", "remote", "internal/codec", "internal/delta", "internal/pgsession", "internal/pgschema",
	}},

	"backup":        {ours: forBackup},
	"restore":       {ours: append([]string{"backup"}, forBackup...)},
	"verify":        {ours: append([]string{"backup", "restore"}, forBackup...)},
	"verify/report": {ours: []string{"verify"}},

	"retention":            {ours: []string{"backup/manifest", "remote"}, lean: true},
	"verify/health":        {ours: []string{"backup/manifest", "remote"}, lean: true},
	"verify/health/prom":   {ours: []string{"verify/health"}, lean: true},
	"verify/health/notify": {ours: []string{"verify/health"}, lean: true},

	"internal/oracle": {ours: []string{"verify/scratch"}}, // imported by tests alone
	"internal/bench":  {ours: []string{anything}},
	"internal/arch":   {stdOnly: true},

	"internal/bench/workload": {},
}

// anything allows all imports of ours; public all but those of internal.
const (
	anything = "*"
	public   = "public"
)

// sdks are the modules that one package alone may import.
var sdks = map[string]string{
	"github.com/aws/":                     "remote/s3",
	"cloud.google.com/go/":                "remote/gcs",
	"github.com/Azure/azure-sdk-for-go/":  "remote/azure",
	"github.com/googleapis/":              "remote/gcs",
	"google.golang.org/api/":              "remote/gcs",
	"github.com/prometheus/client_golang": "verify/health/prom",
}

// driver is the module of the PostgreSQL driver.
const driver = "github.com/jackc/pgx/"

// vague are names that say nothing of what a package is.
var vague = []string{"common", "types", "util", "utils", "models", "helpers"}

// ruleFor returns the rule of a package.
func ruleFor(folder string) (rule, bool) {
	if strings.HasPrefix(folder, "examples/") {
		return rule{ours: []string{public}}, true
	}
	r, ok := rules[folder]
	return r, ok
}

// allows tells whether a package may import another of ours.
func (r rule) allows(folder string) bool {
	return slices.Contains(r.ours, anything) ||
		slices.Contains(r.ours, public) && !strings.HasPrefix(folder, "internal/") ||
		slices.Contains(r.ours, folder)
}
