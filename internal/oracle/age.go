package oracle

import "testing"

// Age returns the path of the stock age program.
func Age(t testing.TB) string {
	t.Helper()
	return need(t, func() (string, error) { return lookup("age", "apt-get install age") })
}
