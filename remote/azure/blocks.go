package azure

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/remote"
)

// maxBlocks is how many committed blocks a blob may have.
const maxBlocks = blockblob.MaxBlocks

// partSize is the size of an object's n-th block, from 0, in bytes.
func (o *Options) partSize(n int) int { return o.PartSize << (n / 10_000) }

// blocks stores an object that is larger than its first part.
func (p *put) blocks(ctx context.Context, r io.Reader, part *buffer) (remote.Object, error) {
	group, stageCtx := errgroup.WithContext(ctx)
	stageCtx, cancel := context.WithCancel(stageCtx)
	defer group.Wait() // also when r panics
	defer cancel()

	var (
		unchecked atomic.Bool
		ids       []string
		size      int64
	)
	// Blocks of several Puts, or of one begun again, must not mix.
	unique := rand.Text()
	read := func() error {
		for ended := false; len(part.data) > 0; {
			if len(ids) == maxBlocks {
				return fmt.Errorf("the object is larger than %d bytes, the most that parts of %d bytes allow: choose a larger PartSize", size, p.s.opts.PartSize)
			}
			select {
			case p.s.slots <- struct{}{}:
			case <-stageCtx.Done():
				return stageCtx.Err()
			}
			// 36 bytes, as the SDK itself and AzCopy choose: all identifiers
			// of a blob, whoever left blocks there, must be equally long.
			id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%010d", unique, len(ids)))
			ids = append(ids, id)
			size += int64(len(part.data))
			staged := *part
			group.Go(func() error {
				defer func() { staged.release(); <-p.s.slots }()
				ok, err := p.stage(stageCtx, id, staged.data)
				if !ok {
					unchecked.Store(true)
				}
				return err
			})
			*part = buffer{s: p.s, size: p.s.opts.partSize(len(ids))}
			if ended {
				break
			}
			part.data = p.s.part(part.size)
			var err error
			if ended, err = part.fill(stageCtx, r); err != nil {
				return err
			}
		}
		return nil
	}
	if err := read(); err != nil {
		cancel()
		// A block that failed ended the reading; else the reader, or the
		// caller's context, ended the blocks.
		if staged := group.Wait(); staged != nil && errors.Is(err, context.Canceled) && !errors.Is(staged, context.Canceled) {
			return remote.Object{}, staged
		}
		return remote.Object{}, err
	}
	if err := group.Wait(); err != nil {
		return remote.Object{}, err
	}
	return p.commit(ctx, ids, size, !unchecked.Load())
}

// stage sends one block, without a checksum, and compares the one that the
// store answers.
func (p *put) stage(ctx context.Context, id string, data []byte) (checked bool, err error) {
	resp, err := p.blob.StageBlock(ctx, id, body(data), &blockblob.StageBlockOptions{CPKInfo: p.s.cpk, CPKScopeInfo: p.s.scope})
	if err != nil {
		return false, err
	}
	return compare(data, resp.ContentCRC64, resp.ContentMD5)
}

func body(data []byte) io.ReadSeekCloser { return streaming.NopCloser(bytes.NewReader(data)) }

// crcTable is of the polynomial that Azure uses, also known as CRC-64/NVME.
var crcTable = crc64.MakeTable(0x9A6C9329AC4BC9B5)

func crc(data []byte) uint64 { return crc64.Checksum(data, crcTable) }

// compare holds the checksums that the store computed against the data. Either
// may be missing; without both nothing is checked.
func compare(data, storeCRC, storeMD5 []byte) (checked bool, err error) {
	if len(storeCRC) > 0 {
		if !bytes.Equal(storeCRC, binary.LittleEndian.AppendUint64(nil, crc(data))) {
			return false, fmt.Errorf("CRC64: %w", errChecksum)
		}
		checked = true
	}
	if len(storeMD5) > 0 {
		if sum := md5.Sum(data); !bytes.Equal(storeMD5, sum[:]) {
			return false, fmt.Errorf("MD5: %w", errChecksum)
		}
		checked = true
	}
	return checked, nil
}

// buffer holds one part on its way from the reader to the store. It begins
// small, as most objects are, and takes a whole part once that pays.
type buffer struct {
	s    *Sink
	size int // of the part, in bytes
	data []byte
}

// fill reads until the part is full or r ends, and says which.
func (b *buffer) fill(ctx context.Context, r io.Reader) (ended bool, err error) {
	for idle := 0; len(b.data) < b.size; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if len(b.data) == cap(b.data) {
			b.grow()
		}
		n, err := r.Read(b.data[len(b.data):min(cap(b.data), b.size)])
		b.data = b.data[:len(b.data)+n]
		switch {
		case err == io.EOF:
			return true, ctx.Err()
		case err != nil:
			// As it is, whatever it holds: it is not this store's.
			return false, &failure{text: err.Error(), chain: []error{err}}
		case n > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				return false, io.ErrNoProgress
			}
		}
	}
	return false, nil
}

// grow makes room for more.
func (b *buffer) grow() {
	var more []byte
	if c := cap(b.data); c < 1<<20 && c*4 < b.size {
		more = make([]byte, 0, max(c*4, minPart))
	} else {
		more = b.s.part(b.size)
	}
	b.data = append(more, b.data...)
}

// part returns an empty buffer for a whole part.
func (s *Sink) part(size int) []byte {
	if p, ok := s.parts.Get().(*[]byte); ok && cap(*p) >= size {
		return (*p)[:0]
	}
	return make([]byte, 0, size)
}

// release gives the room back. The data must not be used any more.
func (b *buffer) release() {
	if cap(b.data) >= b.s.opts.PartSize {
		data := b.data[:0]
		b.s.parts.Put(&data)
	}
	b.data = nil
}
