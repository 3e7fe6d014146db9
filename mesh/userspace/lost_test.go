package userspace

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A device works on while the daemon, which sees the loss at the same time, begins anew in the directory of now.
func TestDaemonLeavesALostDirectoryFirst(t *testing.T) {
	gone := errors.New("gone")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		lost := func() error {
			if time.Since(began) < time.Minute {
				return nil
			}
			return gone
		}
		var daemon, device time.Duration
		go func() {
			if err := AwaitLoss(t.Context(), lost); !errors.Is(err, gone) {
				t.Errorf("the daemon ends with %v", err)
			}
			daemon = time.Since(began)
		}()
		err := serveUntilLoss(t.Context(), lost, func(ctx context.Context) error {
			<-ctx.Done()
			device = time.Since(began)
			return nil
		})
		synctest.Wait()
		if !errors.Is(err, gone) || daemon > time.Minute+lostEvery || device != daemon+daemonFirst {
			t.Errorf("the daemon ends after %v, and the device after %v with %v", daemon, device, err)
		}
	})
}

// Who ends otherwise waits for no loss.
func TestNoLossIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		none := func() error { return nil }
		if err := AwaitLoss(ctx, none); err != nil {
			t.Errorf("after a minute: %v", err)
		}
		own := errors.New("the interface is gone")
		err := serveUntilLoss(t.Context(), none, func(context.Context) error { return own })
		if !errors.Is(err, own) {
			t.Errorf("it ends with %v, want %v", err, own)
		}
	})
}
