package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"warren.mesh/mesh/loop"
)

// requestTimeout is how long a client of health and metrics may take to send a request; it may take twice as long to
// read the answer.
const requestTimeout = 10 * time.Second

// server serves HTTP at one address. What keeps it from that is reported and retried, and never ends the daemon.
type server struct {
	// address is what flag says, HOST:PORT; empty serves nothing.
	address, flag string
	handler       http.Handler
	// report gets why nothing is served, and nil when that is over.
	report func(error)
}

// run serves until ctx ends.
func (s server) run(ctx context.Context) {
	retry := loop.Backoff{First: 250 * time.Millisecond, Most: 30 * time.Second, Jitter: true}
	for s.address != "" && ctx.Err() == nil {
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		s.report(err)
		loop.Sleep(ctx, retry.Next())
	}
}

// serve listens and answers requests until ctx ends or the socket fails.
func (s server) serve(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.address)
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
