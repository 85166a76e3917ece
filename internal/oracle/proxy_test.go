package oracle_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

func TestProxy(t *testing.T) {
	const size = 256 << 10
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, size))
	}))
	defer server.Close()
	proxy := oracle.Proxy(t, server.Listener.Addr().String())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	// get tells how many bytes arrived, how long they took, and what went wrong.
	get := func() (int, time.Duration, error) {
		begin := time.Now()
		resp, err := client.Get("http://" + proxy.Addr)
		if err != nil {
			return 0, time.Since(begin), err
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		_, err = body.ReadFrom(resp.Body)
		return body.Len(), time.Since(begin), err
	}
	whole := func(t *testing.T, least, most time.Duration) {
		t.Helper()
		if n, took, err := get(); n != size || took < least || took > most || err != nil {
			t.Errorf("%d of %d bytes in %v, not %v to %v: %v", n, size, took, least, most, err)
		}
	}
	whole(t, 0, time.Second)
	for _, test := range []struct {
		kind, stream string
		attributes   map[string]any
		want         func(t *testing.T)
	}{
		{"latency", "upstream", map[string]any{"latency": 200}, func(t *testing.T) {
			whole(t, 200*time.Millisecond, 5*time.Second)
		}},
		{"bandwidth", "downstream", map[string]any{"rate": 1000}, func(t *testing.T) {
			whole(t, 200*time.Millisecond, 5*time.Second)
		}},
		{"limit_data", "downstream", map[string]any{"bytes": 100_000}, func(t *testing.T) {
			if n, _, err := get(); n == 0 || n > 100_000 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d bytes, %v", n, err)
			}
		}},
		{"reset_peer", "downstream", map[string]any{"timeout": 0}, func(t *testing.T) {
			if n, _, err := get(); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%d bytes, %v", n, err)
			}
		}},
		{"timeout", "upstream", map[string]any{"timeout": 50}, func(t *testing.T) {
			if n, took, err := get(); n > 0 || took < 50*time.Millisecond || !errors.Is(err, io.EOF) {
				t.Errorf("%d bytes in %v: %v", n, took, err)
			}
		}},
	} {
		t.Run(test.kind, func(t *testing.T) {
			proxy.Toxic(test.kind, test.stream, test.attributes)
			test.want(t)
			proxy.Clear()
			whole(t, 0, time.Second)
		})
	}
	t.Run("down", func(t *testing.T) {
		conn, err := net.Dial("tcp", proxy.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		proxy.Toxic("latency", "upstream", map[string]any{"latency": 200})
		proxy.Down()
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("the connection outlived the server")
		}
		if _, _, err := get(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
		proxy.Up()
		whole(t, 200*time.Millisecond, 5*time.Second)
		proxy.Clear()
		whole(t, 0, time.Second)
	})
}

// TestProxyEnds shows that a proxy is there no longer than its test.
func TestProxyEnds(t *testing.T) {
	var addr string
	t.Run("while", func(t *testing.T) {
		addr = oracle.Proxy(t, "127.0.0.1:1").Addr
		if !answers(t.Context(), addr) {
			t.Error("nobody listens")
		}
	})
	if answers(t.Context(), addr) {
		t.Error("it still listens")
	}
}
