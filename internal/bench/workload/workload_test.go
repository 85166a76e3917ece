package workload

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// TestSameData tells whether two builds would load the same text, and how much.
func TestSameData(t *testing.T) {
	text := func(table table) []byte {
		g := &generator{Rand: rand.New(rand.NewPCG(1, 2)), row: table.row, left: table.bytes}
		b, err := io.ReadAll(g)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, table := range tables(Sizes{Large: 1, Middling: 1, Each: 1, Wide: 1}) {
		a := text(table)
		if !bytes.Equal(a, text(table)) {
			t.Errorf("%s: two builds differ", table.name)
		}
		if len(a) < table.bytes || len(a) > table.bytes+1<<18 || a[len(a)-1] != '\n' {
			t.Errorf("%s: %d bytes of text, want %d and no more than one row above", table.name, len(a), table.bytes)
		}
	}
}
