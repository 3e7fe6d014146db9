package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh/loop"
)

// requestTimeout is how long a client of health and metrics may take to send a request, and headerTimeout to send its
// header; it may take twice as long to read the answer. maxHeader bounds the header, in bytes.
const (
	requestTimeout = 10 * time.Second
	headerTimeout  = 2 * time.Second
	maxHeader      = 8 << 10
)

// server serves HTTP at one address. What keeps it from that is reported and retried, and never ends the daemon.
type server struct {
	// address is what flag says, HOST:PORT or the path of a socket; empty serves nothing.
	address, flag string
	handler       http.Handler
	// report gets why nothing is served, and nil when it is served.
	report func(error)
}

// run serves until ctx ends.
func (s server) run(ctx context.Context) {
	if s.address != "" {
		loop.Keep(ctx, s.serve, s.report)
	}
}

func (s server) listen() (net.Listener, error) {
	if s.isFile() {
		return gate.Listen(s.address)
	}
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("%w: stop what uses the port, or set another --%s", err, s.flag)
	}
	return &boundedListener{Listener: listener}, nil
}

// isFile reports whether the address is a path.
func (s server) isFile() bool { return filepath.IsAbs(s.address) }

// serve listens, calls began and answers requests until ctx ends, the socket fails or its file is gone.
func (s server) serve(ctx context.Context, began func()) error {
	listener, err := s.listen()
	if err != nil {
		return err
	}
	began()
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	if s.isFile() {
		watching.Go(func() { gate.UntilGone(ctx, s.address); cancel() })
	}
	web := &http.Server{
		Handler: s.handler, MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout,
		WriteTimeout: 2 * requestTimeout,
	}
	bound(web)
	stop := context.AfterFunc(ctx, func() { _ = web.Close() })
	defer stop()
	err = web.Serve(listener)
	_ = web.Close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
