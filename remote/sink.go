// Package remote says where backups live: a [RemoteSink] keeps named objects.
//
// A sink has four methods. What a store can do beyond them it offers through
// optional interfaces, found by type assertion: [RangeGetter], [Stater],
// [ExclusivePutter], [LevelLister] and [Sweeper]. The functions [GetRange],
// [Stat] and [ListLevel] use them where they exist and the four methods where
// they do not, so that a caller need not ask.
//
// [Dir] keeps objects in a local folder. Sinks for object stores are packages
// of their own below this one. Package remotetest holds the conformance suite
// that every sink passes, for those who write their own.
package remote

import (
	"context"
	"io"
	"iter"
	"time"
)

// RemoteSink keeps objects by name. Names follow the rules of [CheckName];
// a slash in a name means nothing to the sink, except to [LevelLister].
//
// All methods may be called from several goroutines at a time. Every method
// ends soon after its context is done, with an error that wraps the context's.
// Errors about a missing object wrap [io/fs.ErrNotExist], refused names
// [io/fs.ErrInvalid], refused access [io/fs.ErrPermission] and a missing bucket
// [ErrNoStore] where the store tells.
type RemoteSink interface {
	// Put stores what r holds, to its end, as name, in place of what name held
	// before. It is all or nothing: readers see the whole new object from when
	// Put returns nil, durably, and until then the former one or none. An error
	// from r, or a context that is done midway, leaves name as it was. Only
	// where the outcome itself is unknown (the store's reply was lost) may an
	// error leave the new object, whole.
	//
	// Put reads r from one goroutine and does not close it. It cannot interrupt
	// a call of r.Read: who cancels the context ends the reader too.
	// The Object returned describes what was stored. opts may be nil.
	Put(ctx context.Context, name string, r io.Reader, opts *PutOptions) (Object, error)

	// Get opens an object. The caller closes the reader, which gives the
	// content of one Put from its start to its end, or an error, even if the
	// object is replaced or deleted meanwhile. The context covers the reader's
	// life: once it is done, Read fails.
	Get(ctx context.Context, name string) (io.ReadCloser, error)

	// List gives the objects whose names begin with prefix, a plain string
	// ("full/2025" is one), in the byte order of their whole names. Objects
	// that appear or vanish meanwhile may be listed or not. An error is given
	// with a zero Object and ends the sequence, which can be ranged over again
	// and then asks anew. A prefix that [CheckPrefix] refuses is an error.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]

	// Delete removes an object. Deleting what is not there is no error.
	// Deletions of one caller become durable in the order of the calls.
	Delete(ctx context.Context, name string) error
}

// Object describes what a sink keeps under one name.
type Object struct {
	// Name is the whole name. In what [LevelLister] gives, a name that ends in
	// a slash is a folder, and the other fields are zero.
	Name string
	// Size is the number of bytes stored.
	Size int64
	// ModTime is when the object was stored, by the store's clock.
	ModTime time.Time
	// Version changes whenever the content may have changed. Its form is the
	// sink's own; "" means that the sink cannot tell.
	Version string
	// Checked tells, of what Put returned, that the store computed a checksum
	// of what it holds and that it is that of what Put read. Where it is false
	// nothing but reading the object proves what the store holds.
	Checked bool
}

// PutOptions are hints for a Put. The zero value, and nil, give none.
type PutOptions struct {
	// ContentType is the media type recorded with the object by stores that
	// record one. Default: the store's.
	ContentType string
}

// RangeGetter is a sink that reads part of an object without reading the rest.
type RangeGetter interface {
	// GetRange is like Get for length bytes from offset, or for all from offset
	// on if length is -1. A range that reaches past the end is cut there, and
	// one that begins there or later is empty: neither is an error. A negative
	// offset, or a length below -1, wraps [io/fs.ErrInvalid].
	GetRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
}

// Stater is a sink that describes one object without listing.
type Stater interface {
	// Stat describes an object as List would.
	Stat(ctx context.Context, name string) (Object, error)
}

// ExclusivePutter is a sink that can refuse to overwrite.
type ExclusivePutter interface {
	// PutExclusive is like Put, but if name holds an object already the error
	// wraps [io/fs.ErrExist] and the object stays. Of several calls for one
	// name at a time at most one succeeds.
	PutExclusive(ctx context.Context, name string, r io.Reader, opts *PutOptions) (Object, error)
}

// LevelLister is a sink that lists one level without listing what is below.
type LevelLister interface {
	// ListLevel gives the objects whose names begin with prefix and have no
	// slash behind it, and one folder for all those that share what is between
	// prefix and the next slash: an Object whose Name ends in that slash.
	// Otherwise it is like List.
	ListLevel(ctx context.Context, prefix string) iter.Seq2[Object, error]
}

// Sweeper is a sink in which a Put that died can leave something that takes
// room though no List shows it.
type Sweeper interface {
	// Sweep removes such leftovers where nothing was written to them since
	// olderThan, and says how many it removed, also when it fails. A Put still
	// at work that wrote nothing for so long fails; choose a day or more.
	Sweep(ctx context.Context, olderThan time.Time) (removed int, err error)
}
