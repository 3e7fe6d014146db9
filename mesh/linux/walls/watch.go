package walls

import (
	"context"
	"errors"
	"sync"

	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/nft"
)

// WatchTables calls poke, from two goroutines, whenever somebody else has changed one of the tables, or may have, and
// whenever the bridge comes, goes or gets another hardware address, until ctx ends; then it returns nil. What the other
// methods change pokes nobody.
func (w *Walls) WatchTables(ctx context.Context, poke func()) error {
	// Both subscriptions on the caller's thread, whose network namespace they are about.
	tables, err := nft.Subscribe(w.ports, w.policy)
	if err != nil {
		return err
	}
	links, err := rtnl.Subscribe()
	if err != nil {
		return errors.Join(err, tables.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, links.Close)
	defer stop()
	var group sync.WaitGroup
	var errTables error
	group.Go(func() {
		defer cancel()
		errTables = tables.Run(ctx, func(*nft.Table, uint32) { poke() })
	})
	errLinks := w.watchBridge(ctx, links, poke)
	cancel()
	group.Wait()
	return errors.Join(errTables, errLinks)
}

// watchBridge calls poke whenever the bridge's hardware address is another one than before.
func (w *Walls) watchBridge(ctx context.Context, links *rtnl.Subscription, poke func()) error {
	var seen rtnl.Event
	for {
		events, err := links.Receive()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it is the end of ctx that ends the subscription
		}
		if errors.Is(err, rtnl.ErrLost) {
			poke()
		} else if err != nil {
			return err
		}
		for _, e := range events {
			if e.Kind != rtnl.LinkEvent || e.Name != w.bridge {
				continue
			}
			e = rtnl.Event{Index: e.Index, Gone: e.Gone, MAC: e.MAC}
			if seen != e {
				seen = e
				poke()
			}
		}
	}
}
