package manifest

import "fmt"

// DamageError tells that a set does not hold what it should: an object is
// missing, or its bytes are not those that the manifest records, or the
// manifest itself cannot be read. All packages that read sets return it,
// wrapped or not.
type DamageError struct {
	Set, Object string // the set's ID, and the object's name within it
	Err         error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("set %s is damaged: object %s: %v", e.Set, e.Object, e.Err)
}

// Unwrap returns what is wrong with the object.
func (e *DamageError) Unwrap() error { return e.Err }
