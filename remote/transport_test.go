package remote_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// A server that accepts and then neither reads nor answers must not hold a
// client for longer than the limit.
func TestTransportStall(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	client := &http.Client{Transport: remote.NewTransport(&remote.TransportOptions{Stall: 200 * time.Millisecond})}
	for name, body := range map[string]io.Reader{
		"no answer":          nil,
		"an unread body":     io.LimitReader(zeros{}, 1<<30),
		"a body of its size": strings.NewReader(strings.Repeat("x", 32<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			req, _ := http.NewRequest("PUT", "http://"+l.Addr().String(), body)
			_, err := client.Do(req)
			// Whichever of the two directions noticed first closed the connection.
			if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A transfer that goes on, however slowly, is no stall; nor is waiting for the
// answer to an upload that still goes on.
func TestTransportSlow(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const stall = 300 * time.Millisecond
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1<<20)
		for start := time.Now(); time.Since(start) < 3*stall; time.Sleep(stall / 10) {
			if _, err := io.ReadFull(r.Body, buf); err != nil {
				break
			}
		}
		io.Copy(io.Discard, r.Body)
		for range 10 {
			w.Write([]byte("."))
			w.(http.Flusher).Flush()
			time.Sleep(stall / 5)
		}
	})}
	go srv.Serve(l)
	defer srv.Close()
	client := &http.Client{Transport: remote.NewTransport(&remote.TransportOptions{Stall: stall})}
	resp, err := client.Post("http://"+l.Addr().String(), "", io.LimitReader(zeros{}, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != ".........." {
		t.Errorf("got %q, %v", b, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
