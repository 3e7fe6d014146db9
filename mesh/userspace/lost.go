package userspace

import (
	"context"
	"errors"
	"time"

	"warren.mesh/mesh/loop"
)

const (
	// lostEvery is how often directories of the host are looked for.
	lostEvery = time.Second
	// daemonFirst is how long the device works on without the directory. The daemon ends as soon as it sees that, and
	// is back by then in the directory of now, where the next device needs it: that one knows neither key nor peers.
	daemonFirst = 10 * time.Second
)

// AwaitLoss returns the error of lost, which tells of SocketDir and perhaps of other directories of the host, once
// there is one, and nil if ctx ends before.
func AwaitLoss(ctx context.Context, lost func() error) error {
	for {
		if err := lost(); err != nil {
			return err
		}
		if !loop.Sleep(ctx, lostEvery) {
			return nil
		}
	}
}

// serveUntilLoss runs serve until ctx ends or, daemonFirst after lost has an error, with that error.
func serveUntilLoss(ctx context.Context, lost func() error, serve func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() {
		err := AwaitLoss(ctx, lost)
		if err != nil {
			loop.Sleep(ctx, daemonFirst)
		}
		stop()
		watched <- err
	}()
	err := serve(ctx)
	stop()
	return errors.Join(err, <-watched)
}
