package userspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// deviceEnv makes the test binary a supervisor and, with driveArg, its device process: its value is the interface's
// name. Tests run it in a namespace and kill either.
const (
	deviceEnv = "WARREN_TEST_USERSPACE_DEVICE"
	driveArg  = "drive"
)

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
	log := textLog(os.Stderr, slog.LevelInfo)
	if len(os.Args) > 1 && os.Args[1] == driveArg {
		return exitCode(Drive(ctx, name, log))
	}
	go func() { // The test process, should it die, takes this one with it.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(2)
	}()
	for {
		err := Run(ctx, Config{
			Name:    name,
			Log:     log,
			Command: []string{"/proc/self/exe", driveArg},
			Ready:   func() { fmt.Println(readyLine) },
		})
		if !errors.Is(err, ErrGone) {
			return exitCode(err)
		}
	}
}

func exitCode(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
