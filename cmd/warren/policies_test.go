package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren.mesh/cni/gate"
)

// A socket that cannot be made is reported with the remedy, and is served as soon as it can. It ends nothing.
func TestGateIsServedLater(t *testing.T) {
	dir, reports := t.TempDir(), make(chan error, 100)
	taken := gate.Socket(dir)
	if err := os.MkdirAll(filepath.Join(taken, "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serveGate(ctx, gate.Server{RunDir: dir, Log: slog.New(slog.DiscardHandler)}, func(err error) { reports <- err })
	}()
	t.Cleanup(func() { stop(); <-ended })
	if err := <-reports; err == nil || !strings.Contains(err.Error(), taken) ||
		!strings.Contains(err.Error(), "remove what is in its place") {
		t.Errorf("reported %v", err)
	}
	if err := os.RemoveAll(taken); err != nil {
		t.Fatal(err)
	}
	for <-reports != nil { // until it is gone
	}
	if info, err := os.Lstat(taken); err != nil || info.Mode().Type() != os.ModeSocket {
		t.Errorf("at %s there is %v, %v", taken, info, err)
	}
}
