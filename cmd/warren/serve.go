package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// slowest is how long a client of health and metrics may take to ask or to read.
const slowest = 10 * time.Second

// listen is nil for an empty address.
func listen(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics (%w): stop what uses the port, or give another --metrics-address", err)
	}
	return listener, nil
}

// serve answers requests until ctx ends; at once nil where there is no listener.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	if listener == nil {
		return nil
	}
	server := &http.Server{Handler: handler, ReadTimeout: slowest, WriteTimeout: 2 * slowest}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
