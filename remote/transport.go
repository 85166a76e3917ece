package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// TransportOptions changes what [NewTransport] returns. The zero value, and
// nil, work.
type TransportOptions struct {
	// RootCAs are the authorities that may sign a store's certificate. nil
	// means the system's.
	RootCAs *x509.CertPool

	// Stall is how long a connection may neither send nor receive a byte. 0
	// means one minute.
	Stall time.Duration
}

// NewTransport returns the HTTP transport under the sinks of this module that
// are not given a client of the program's own. It is that of net/http, with
// proxies from the environment, room for many connections to one store, and
// connections that fail when they stall: a peer that vanished without a word
// would otherwise hold a backup until the system gives it up, which can take a
// quarter of an hour.
func NewTransport(opts *TransportOptions) *http.Transport {
	var o TransportOptions
	if opts != nil {
		o = *opts
	}
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	dialer := &net.Dialer{Timeout: min(o.Stall, 15*time.Second), KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &stallConn{Conn: c, limit: o.Stall}, nil
		},
		TLSClientConfig:       &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     false, // one connection a transfer: a lost packet holds up no other
		MaxIdleConnsPerHost:   64,
		MaxIdleConns:          128,
		IdleConnTimeout:       o.Stall / 2,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
	}
}

// stallConn fails when it neither sends nor receives for the limit. What it
// sends counts for what it waits to receive: a long upload has no answer
// before its end.
type stallConn struct {
	net.Conn
	limit time.Duration
}

func (c *stallConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// writeStep is how much is written under one deadline: a large Write on a slow
// line makes progress that its end alone would show.
const writeStep = 64 << 10

func (c *stallConn) Write(p []byte) (n int, err error) {
	for {
		if err := c.SetDeadline(time.Now().Add(c.limit)); err != nil {
			return n, err
		}
		step := min(len(p)-n, writeStep)
		m, err := c.Conn.Write(p[n : n+step])
		n += m
		if err != nil || n == len(p) {
			return n, err
		}
	}
}
