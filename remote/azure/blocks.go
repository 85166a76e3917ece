package azure

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/internal/part"
	"github.com/assist-move-assist/pgcofre/remote"
)

// maxBlocks is how many committed blocks a blob may have.
const maxBlocks = blockblob.MaxBlocks

// partSize is the size of an object's n-th block, from 0, in bytes.
func (o *Options) partSize(n int) int { return o.PartSize << (n / 10_000) }

// blocks stores an object that is larger than its first part, which it frees.
func (p *put) blocks(ctx context.Context, r io.Reader, first *part.Part) (remote.Object, error) {
	group, stageCtx := errgroup.WithContext(ctx)
	stageCtx, cancel := context.WithCancel(stageCtx)
	filling := first
	defer func() { // also when r panics
		cancel()
		_ = group.Wait() // reported below, or there is a reason already
		filling.Free()
	}()
	var (
		unchecked atomic.Bool
		ids       []string
		size      int64
	)
	// Blocks of several Puts, or of one begun again, must not mix.
	unique := rand.Text()
	for ended := false; filling.Size() > 0; {
		if len(ids) == maxBlocks {
			return remote.Object{}, fmt.Errorf("the object is larger than %d bytes, the most that parts of %d bytes allow: choose a larger PartSize", size, p.s.opts.PartSize)
		}
		// 36 bytes, as the SDK itself and AzCopy choose: all identifiers
		// of a blob, whoever left blocks there, must be equally long.
		id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%010d", unique, len(ids)))
		full := filling
		ids, size, filling = append(ids, id), size+int64(full.Size()), &part.Part{}
		send := func() error {
			defer full.Free()
			checked, err := p.stage(stageCtx, id, full)
			if !checked {
				unchecked.Store(true)
			}
			return err
		}
		var err error
		select {
		case p.s.slots <- struct{}{}:
			group.Go(func() error {
				defer func() { <-p.s.slots }()
				return send()
			})
		default: // this Put waits, which is no harm to any other
			err = send()
		}
		if err == nil && !ended {
			ended, err = filling.Fill(stageCtx, r, p.s.opts.partSize(len(ids)))
		}
		if stageCtx.Err() != nil { // a block that failed, or the caller, ended this
			err = context.Cause(stageCtx)
		}
		if err != nil {
			return remote.Object{}, err
		}
	}
	if err := group.Wait(); err != nil {
		return remote.Object{}, err
	}
	return p.commit(ctx, ids, size, !unchecked.Load())
}

// stage sends one block, without a checksum, and compares the one that the
// store answers.
func (p *put) stage(ctx context.Context, id string, block *part.Part) (checked bool, err error) {
	resp, err := p.blob.StageBlock(ctx, id, block.Body(), &blockblob.StageBlockOptions{CPKInfo: p.s.cpk, CPKScopeInfo: p.s.scope})
	if err != nil {
		return false, err
	}
	return compare(block, resp.ContentCRC64, resp.ContentMD5)
}

// compare holds the checksums that the store computed against the data. Either
// may be missing; without both nothing is checked.
func compare(data *part.Part, storeCRC, storeMD5 []byte) (checked bool, err error) {
	if len(storeCRC) > 0 {
		if !bytes.Equal(storeCRC, binary.LittleEndian.AppendUint64(nil, data.CRC(0))) {
			return false, fmt.Errorf("CRC64: %w", errChecksum)
		}
		checked = true
	}
	if len(storeMD5) > 0 {
		if sum := data.MD5(); !bytes.Equal(storeMD5, sum[:]) {
			return false, fmt.Errorf("MD5: %w", errChecksum)
		}
		checked = true
	}
	return checked, nil
}

// source is what the caller's reader gives.
type source struct{ io.Reader }

func (s source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		// As it is, whatever it holds: it is not this store's.
		err = &failure{text: err.Error(), chain: []error{err}}
	}
	return n, err
}
