package linux

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/nft"
)

// receiveBuffer holds the notifications of some 10,000 routes, in bytes: a change to a large mesh, or the flush of a
// large table, comes at once.
const receiveBuffer = 4 << 20

// Watch calls poke, from several goroutines, whenever somebody else has changed what Observe reads, until ctx ends; then
// it returns nil. What Apply changes pokes nobody, nor does what was never observed. Sysctls are not watched.
func (h *Host) Watch(ctx context.Context, poke func()) error {
	// Both subscriptions on the caller's thread, whose network namespace they are about.
	ruleset, err := nft.Subscribe(h.firewall)
	if err != nil {
		return err
	}
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, rtnl.Groups...)
	if err != nil {
		return errors.Join(fmt.Errorf("subscribe to routing notifications: %w", err), ruleset.Close())
	}
	// Without CAP_NET_ADMIN in the first user namespace the size is limited; lost notifications are noticed then.
	_ = socket.SetReceiveBufferSize(receiveBuffer, true)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, socket.Close)
	w := &watch{host: h, poke: poke, wake: make(chan struct{}, 1)}
	// What changed since the last observation and before the subscription was not notified.
	w.suspect(everything)
	var group sync.WaitGroup
	var received error
	group.Go(func() {
		defer cancel()
		received = w.receive(ctx, socket)
	})
	group.Go(func() { w.check(ctx) })
	err = ruleset.Run(ctx, func(*nft.Table, uint32) { poke() })
	cancel()
	group.Wait()
	return errors.Join(err, received)
}

// watch is one call of Watch.
type watch struct {
	host *Host
	poke func()
	// wake tells check that suspects are not empty.
	wake chan struct{}

	mu       sync.Mutex
	suspects parts
}

// receive reads notifications and never waits for anything else, so that few are lost. Where some are, everything is
// suspect.
func (w *watch) receive(ctx context.Context, socket *nl.NetlinkSocket) error {
	for {
		messages, from, err := socket.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			w.suspect(everything)
			continue
		case err != nil:
			return fmt.Errorf("receive routing notifications: %w", err)
		case from.Pid != nl.PidKernel:
			continue
		}
		for _, m := range messages {
			w.suspect(w.host.shadow.suspects(rtnl.ParseEvent(m)))
		}
	}
}

func (w *watch) suspect(p parts) {
	if p == 0 {
		return
	}
	w.mu.Lock()
	w.suspects |= p
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// check reads again what is suspect, and the device from time to time.
func (w *watch) check(ctx context.Context) {
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			if w.host.contradicted(w.take()) {
				w.poke()
			}
		case <-timer.C:
			differs, peers := w.host.deviceDiffers()
			if differs {
				w.poke()
			}
			timer.Reset(pollInterval(peers))
		}
	}
}

func (w *watch) take() parts {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.suspects
	w.suspects = 0
	return p
}
