package gcs

import (
	"sync"

	"google.golang.org/api/googleapi"
)

// maxPart is the largest part, in bytes: a gigabyte a request helps no one.
const maxPart = 1 << 30

// leastPart is what a Put takes however little is left, in bytes.
const leastPart = 1 << 20

// budget is the memory for parts that the Puts of a sink share. The SDK
// allocates one part for each upload, whatever the object's size.
type budget struct {
	mu   sync.Mutex
	free int // bytes; negative when more Puts run than it has room for
}

// take returns the size of the part that a Put may hold, at most want. It never
// waits, since Puts that wait for each other could be fed by one goroutine: it
// leaves three quarters of what is free to those that come.
func (b *budget) take(want int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := roundUp(min(want, max(b.free/4, leastPart)))
	b.free -= size
	return size
}

// give returns what take gave.
func (b *budget) give(size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += size
}

// roundUp rounds to a multiple of what the store takes in the middle of an
// upload, as the SDK would.
func roundUp(size int) int {
	const unit = googleapi.MinUploadChunkSize
	return (size + unit - 1) / unit * unit
}
