package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

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
		return listenLocal(s.address)
	}
	return net.Listen("tcp", s.address)
}

// listenLocal listens at a path that root alone may connect to. It takes the place of a socket that is there, which an
// earlier daemon left behind, and leaves its own to the next one.
func listenLocal(path string) (net.Listener, error) {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: next, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(next, 0o600), os.Rename(next, path)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
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
