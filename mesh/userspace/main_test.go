package userspace

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// deviceEnv makes the test binary a device process: its value is the interface's name. Tests run it in a namespace and
// kill it.
const deviceEnv = "WARREN_TEST_USERSPACE_DEVICE"

// readyLine is what a device process prints when it can be configured.
const readyLine = "ready"

func TestMain(m *testing.M) {
	if name := os.Getenv(deviceEnv); name != "" {
		os.Exit(deviceProcess(name))
	}
	os.Exit(m.Run())
}

func deviceProcess(name string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { // The test process, should it die, takes this one with it.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(2)
	}()
	err := Run(ctx, Config{
		Name:  name,
		Log:   textLog(os.Stderr, slog.LevelInfo),
		Ready: func() { fmt.Println(readyLine) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
