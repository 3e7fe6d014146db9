package linux

import (
	"context"
	"errors"
	"sync"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/drift"
	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/nft"
)

// Watch calls poke, from several goroutines, whenever somebody else has changed what Observe reads, until ctx ends;
// then it returns nil. What Apply changes pokes nobody, nor does what was never observed. A userspace device process
// that hangs pokes too: Observe and Apply then say so.
//
// It also calls seen, from one goroutine, with the statuses of the device's peers each time that it has read them,
// sorted by key: every 500 ms, or less often with more than 500 peers, but every 5 s at least.
func (h *Host) Watch(ctx context.Context, poke func(), seen func([]mesh.PeerStatus)) error {
	// Both subscriptions, and what the watcher reads, on the caller's thread, whose network namespace they are about.
	ruleset, err := nft.Subscribe(h.firewall)
	if err != nil {
		return err
	}
	ruleset.Others, ruleset.OthersChanged = h.others.Concerns, poke
	routing, err := rtnl.Subscribe()
	if err != nil {
		return errors.Join(err, ruleset.Close())
	}
	watcher := drift.Watcher{Expected: &h.expected, Reader: h.reader(), Lock: &h.mu, Poke: poke, Seen: seen}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() {
		defer cancel()
		err = ruleset.Run(ctx, func(*nft.Table, uint32) { poke() })
	})
	if h.mode == Userspace {
		group.Go(func() { h.watchProcess(ctx, poke) })
	}
	drifted := watcher.Run(ctx, routing)
	cancel()
	group.Wait()
	return errors.Join(err, drifted)
}

// hangInterval is how often Watch asks the userspace device process for an answer.
const hangInterval = 5 * time.Second

// watchProcess calls poke while the device process hangs, until ctx ends.
func (h *Host) watchProcess(ctx context.Context, poke func()) {
	tick := time.NewTicker(hangInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if h.device.Hangs() {
			poke()
		}
	}
}

// reader reads the parts that drift compares.
func (h *Host) reader() drift.Reader {
	return drift.Reader{
		Links:   h.links.observe,
		Device:  h.observeDevice,
		Routes:  h.routes.Observe,
		Rules:   h.rules.Observe,
		Sysctls: h.sysctls.Again,
		Uplinks: h.sysctls.Uplinks,
		MTU:     h.links.mtu,
	}
}
