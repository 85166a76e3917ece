package s3

import (
	"context"
	"errors"
	"hash/crc64"
	"io"
	"sync"
)

// pieceSize is the unit in which memory for parts is taken, in bytes.
const pieceSize = 256 << 10

// pieces are free for the next part of any sink.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// part holds the bytes of one part. It takes memory as it is filled, so that a
// small object takes little.
type part struct {
	pieces []*[pieceSize]byte
	size   int
}

// fill reads r until the part has limit bytes, or r ends.
func (p *part) fill(ctx context.Context, r io.Reader, limit int) (eof bool, err error) {
	for p.size < limit {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		at := p.size % pieceSize
		if at == 0 && p.size/pieceSize == len(p.pieces) {
			p.pieces = append(p.pieces, pieces.Get().(*[pieceSize]byte))
		}
		n, err := r.Read(p.pieces[len(p.pieces)-1][at:min(pieceSize, at+limit-p.size)])
		p.size += n
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// free gives the memory back. The SDK reads no body once a request is done.
func (p *part) free() {
	for _, piece := range p.pieces {
		pieces.Put(piece)
	}
	*p = part{}
}

// writeTo writes the part's bytes to a hash.
func (p *part) writeTo(w io.Writer) {
	for i, piece := range p.pieces {
		_, _ = w.Write(piece[:min(pieceSize, p.size-i*pieceSize)]) // a hash does not fail
	}
}

// nvme is the polynomial of CRC64NVME, reversed.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// crc continues a checksum with the part's bytes.
func (p *part) crc(sum uint64) uint64 {
	for i, piece := range p.pieces {
		sum = crc64.Update(sum, nvme, piece[:min(pieceSize, p.size-i*pieceSize)])
	}
	return sum
}

// body returns a reader of the part that the SDK can rewind to send it again.
func (p *part) body() io.ReadSeeker { return &body{part: p} }

type body struct {
	part *part
	at   int
}

func (b *body) Read(dst []byte) (int, error) {
	if b.at >= b.part.size {
		return 0, io.EOF
	}
	i := b.at / pieceSize
	n := copy(dst, b.part.pieces[i][b.at%pieceSize:min(pieceSize, b.part.size-i*pieceSize)])
	b.at += n
	return n, nil
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += int64(b.at)
	case io.SeekEnd:
		offset += int64(b.part.size)
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	b.at = int(offset)
	return offset, nil
}

// partSize returns the size of an object's nth part, from 1, in bytes.
func (o *Options) partSize(n int) int { return o.PartSize * growth(n) }

// growth is how much larger than the first an object's nth part is. Stores such
// as Cloudflare R2 want all parts but the last of one size, so they grow only
// where the object would not fit otherwise.
func growth(n int) int {
	const equal, step = 9000, 250
	if n <= equal {
		return 1
	}
	return 2 << ((n - equal - 1) / step)
}
