// Package part holds in memory the parts in which large objects are uploaded.
package part

import (
	"context"
	"crypto/md5"
	"errors"
	"hash/crc64"
	"io"
	"sync"
)

// pieceSize is the unit in which memory for parts is taken, in bytes.
const pieceSize = 64 << 10

// pieces are free for the next part of any sink.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// Part holds the bytes of one part. It takes memory as it is filled, so that a
// small object takes little. The zero Part is empty.
type Part struct {
	pieces []*[pieceSize]byte
	size   int
}

// Size is how many bytes the part has.
func (p *Part) Size() int { return p.size }

// Fill reads r until the part has limit bytes, or r ends. An error of r comes
// as it is, and the cause of ctx when that is done.
func (p *Part) Fill(ctx context.Context, r io.Reader, limit int) (ended bool, err error) {
	for idle := 0; p.size < limit; {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		at := p.size % pieceSize
		if at == 0 && p.size/pieceSize == len(p.pieces) {
			p.pieces = append(p.pieces, pieces.Get().(*[pieceSize]byte))
		}
		n, err := r.Read(p.pieces[len(p.pieces)-1][at:min(pieceSize, at+limit-p.size)])
		p.size += n
		switch {
		case err == io.EOF:
			return true, nil
		case err != nil:
			return false, err
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

// Free gives the memory back, and empties the part. Nothing may read it any
// more.
func (p *Part) Free() {
	for _, piece := range p.pieces {
		pieces.Put(piece)
	}
	*p = Part{}
}

// nvme is the polynomial of CRC64NVME, reversed.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// CRC continues a CRC64NVME, which Azure calls CRC64, with the part's bytes.
func (p *Part) CRC(sum uint64) uint64 {
	for i := range p.pieces {
		sum = crc64.Update(sum, nvme, p.piece(i))
	}
	return sum
}

// MD5 is the part's hash. Nothing rests on it that an attacker could gain from.
func (p *Part) MD5() *[md5.Size]byte {
	h := md5.New()
	for i := range p.pieces {
		h.Write(p.piece(i))
	}
	return (*[md5.Size]byte)(h.Sum(nil))
}

// piece is what is used of a piece.
func (p *Part) piece(i int) []byte { return p.pieces[i][:min(pieceSize, p.size-i*pieceSize)] }

// Body returns a reader of the part that can be rewound, to send it again.
func (p *Part) Body() io.ReadSeekCloser { return &body{part: p} }

type body struct {
	part *Part
	at   int
}

func (b *body) Read(dst []byte) (int, error) {
	if b.at >= b.part.size {
		return 0, io.EOF
	}
	n := copy(dst, b.part.piece(b.at / pieceSize)[b.at%pieceSize:])
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

// Close does nothing: a part is freed by who filled it.
func (b *body) Close() error { return nil }
