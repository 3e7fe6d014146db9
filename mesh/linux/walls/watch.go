package walls

import (
	"context"
	"errors"
	"sync"

	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/nft"
)

// WatchTables calls changed, from two goroutines, whenever somebody else has changed one of the tables, or may have,
// and whenever the bridge comes, goes or gets another hardware address, until ctx ends; then it returns nil. It calls
// moved at its start, and whenever the bridge has other ports than before, or may have. What the other methods change
// calls neither.
func (w *Walls) WatchTables(ctx context.Context, changed, moved func()) error {
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
		errTables = tables.Run(ctx, func(*nft.Table, uint32) { changed() })
	})
	errLinks := w.watchLinks(ctx, links, changed, moved)
	cancel()
	group.Wait()
	return errors.Join(errTables, errLinks)
}

// watchLinks calls changed whenever the bridge is another one than before or has another hardware address, and moved
// at the start and whenever an interface becomes a port of the bridge, is one no longer or gets another name.
func (w *Walls) watchLinks(ctx context.Context, links *rtnl.Subscription, changed, moved func()) error {
	moved()
	var bridge rtnl.Event
	// seen are the interfaces that were told of, as far as it matters for what they are ports of.
	seen := map[int]rtnl.Event{}
	for {
		events, err := links.Receive()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it is the end of ctx that ends the subscription
		}
		if errors.Is(err, rtnl.ErrLost) {
			clear(seen)
			changed()
		} else if err != nil {
			return err
		}
		for _, e := range events {
			if e.Kind != rtnl.LinkEvent {
				continue
			}
			if b := (rtnl.Event{Index: e.Index, Gone: e.Gone, MAC: e.MAC}); e.Name == w.bridge && bridge != b {
				bridge = b
				changed()
			}
			if replugged(seen, e) {
				moved()
			}
		}
	}
}

// replugged notes what the event tells of an interface, and reports whether the ports of a bridge may be others than
// before: an interface that is seen for the first time may have been one.
func replugged(seen map[int]rtnl.Event, e rtnl.Event) bool {
	before, known := seen[e.Index]
	now := rtnl.Event{Name: e.Name, Master: e.Master}
	if e.Gone {
		delete(seen, e.Index)
		return !known || before.Master != 0
	}
	seen[e.Index] = now
	return before != now && (!known || before.Master != 0 || now.Master != 0)
}
