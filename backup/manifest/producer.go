package manifest

import "runtime/debug"

// Producer names the library and its version, for manifests and proofs.
func Producer() string {
	const path = "github.com/assist-move-assist/pgcofre"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "pgcofre"
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == path && m.Version != "" {
			return "pgcofre " + m.Version
		}
	}
	return "pgcofre"
}
