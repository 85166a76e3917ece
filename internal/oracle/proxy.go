package oracle

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// A Toxiproxy stands between a client and a server and does to their
// connections what bad networks do. Its methods may be called from several
// goroutines; what fails in them fails the test.
type Toxiproxy struct {
	Addr string // host:port that the client connects to

	t    testing.TB
	base string // the proxy's address in the API

	mu     sync.Mutex
	toxics int // so many were added and not cleared
}

// toxiproxy is the server that the proxies of this process live in.
var toxiproxy = sync.OnceValues(func() (*service, error) {
	return serve("toxiproxy-server", func(_, addr string) (args, env []string, err error) {
		host, port, err := net.SplitHostPort(addr)
		return []string{"-host", host, "-port", port}, []string{"LOG_LEVEL=error"}, err
	})
})

// Proxy puts a toxiproxy in front of a server, given as host:port, until the
// test ends. It forwards all as it is to begin with.
func Proxy(t testing.TB, upstream string) *Toxiproxy {
	t.Helper()
	proxies := "http://" + need(t, toxiproxy).addr + "/proxies"
	p := &Toxiproxy{t: t}
	var made struct{ Name, Listen string }
	made.Name = rand.Text()
	p.base = proxies + "/" + made.Name
	answer := p.call(http.MethodPost, proxies, map[string]any{"name": made.Name, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true})
	if err := json.Unmarshal(answer, &made); err != nil {
		t.Fatalf("toxiproxy: %v: %s", err, answer)
	}
	p.Addr = made.Listen
	t.Cleanup(func() { p.call(http.MethodDelete, p.base, nil) })
	return p
}

// Toxic adds one to the connections that there are and to all later ones. The
// stream is "upstream" for what the client sends, "downstream" for what it gets.
// Kinds and their attributes (github.com/Shopify/toxiproxy, README, "Toxics"):
//
//	latency     latency, jitter: delay of each piece, milliseconds
//	bandwidth   rate: of each connection, kB/s
//	limit_data  bytes: closes a connection after so many
//	reset_peer  timeout: resets a connection after so many milliseconds
//	timeout     timeout: stops all data and closes after so many milliseconds,
//	            0: never
func (p *Toxiproxy) Toxic(kind, stream string, attributes map[string]any) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toxics++
	p.call(http.MethodPost, p.base+"/toxics", map[string]any{"name": toxicName(p.toxics), "type": kind, "stream": stream, "attributes": attributes})
}

// Clear removes all toxics.
func (p *Toxiproxy) Clear() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.toxics > 0; p.toxics-- {
		p.call(http.MethodDelete, p.base+"/toxics/"+toxicName(p.toxics), nil)
	}
}

func toxicName(n int) string { return fmt.Sprint("toxic", n) }

// Down closes all connections and refuses new ones, as a dead server does.
func (p *Toxiproxy) Down() {
	p.t.Helper()
	p.call(http.MethodPatch, p.base, map[string]any{"enabled": false})
}

// Up undoes Down. Toxics are still there.
func (p *Toxiproxy) Up() {
	p.t.Helper()
	p.call(http.MethodPatch, p.base, map[string]any{"enabled": true})
}

// call asks the API and returns what it answers. It is also called when the
// test's context is over.
func (p *Toxiproxy) call(method, url string, body any) []byte {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(text))
	if err != nil {
		p.t.Error(err)
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Errorf("toxiproxy: %v", err)
		return nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		p.t.Errorf("toxiproxy: %s %s: %s: %v: %s", method, url, resp.Status, err, answer)
	}
	return answer
}
