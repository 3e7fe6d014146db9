package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// requestTimeout is how long a client of health and metrics may take to send a request; it may take twice as long to
// read the answer.
const requestTimeout = 10 * time.Second

// listen returns nil for an empty address.
func listen(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics (%w): stop what uses the port, or set another --metrics-address", err)
	}
	return listener, nil
}

// serve answers requests until ctx ends. It returns nil at once if listener is nil.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	if listener == nil {
		return nil
	}
	server := &http.Server{Handler: handler, ReadTimeout: requestTimeout, WriteTimeout: 2 * requestTimeout}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
