package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh/loop"
)

// requestTimeout is how long a client of health and metrics may take to send a request; it may take twice as long to
// read the answer.
const requestTimeout = 10 * time.Second

// serveFirst and serveMost bound the delay before another attempt at serving.
const (
	serveFirst = 250 * time.Millisecond
	serveMost  = 30 * time.Second
)

// server serves HTTP at one address. What keeps it from that is reported and retried, and never ends the daemon.
type server struct {
	// address is what flag says, HOST:PORT or the path of a socket; empty serves nothing.
	address, flag string
	handler       http.Handler
	// report gets why nothing is served, and nil when that is over.
	report func(error)
}

// run serves until ctx ends.
func (s server) run(ctx context.Context) {
	retry := loop.Backoff{First: serveFirst, Most: serveMost, Jitter: true}
	for s.address != "" && ctx.Err() == nil {
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		s.report(err)
		loop.Sleep(ctx, retry.Next())
	}
}

func (s server) listen() (net.Listener, error) {
	if filepath.IsAbs(s.address) {
		return gate.Listen(s.address)
	}
	return net.Listen("tcp", s.address)
}

// serve listens and answers requests until ctx ends or the socket fails.
func (s server) serve(ctx context.Context) error {
	listener, err := s.listen()
	if err != nil {
		return fmt.Errorf("%w: stop what uses the port, or set another --%s", err, s.flag)
	}
	s.report(nil)
	web := &http.Server{Handler: s.handler, ReadTimeout: requestTimeout, WriteTimeout: 2 * requestTimeout}
	stop := context.AfterFunc(ctx, func() { _ = web.Close() })
	defer stop()
	err = web.Serve(listener)
	_ = web.Close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
