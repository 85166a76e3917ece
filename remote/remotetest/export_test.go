package remotetest

// Only makes TestSink run one check, for tests of that check.
func Only(check string) Option {
	return func(s *suite) { s.only = check }
}

// Checks names the checks of TestSink.
func Checks() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}
