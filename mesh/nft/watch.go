package nft

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// eventBuffer is the receive buffer of the notifications' socket, in bytes: kube-proxy's first transaction in a cluster
// with thousands of Services is some megabytes of them.
const eventBuffer = 8 << 20

// Watch is a subscription to the changes that others make to tables. One serves several tables: the kernel sends all
// changes of the ruleset to every subscriber, so a subscription for each table would decode kube-proxy's megabytes, and
// buffer them, once for each.
type Watch struct {
	conn   *netlink.Conn
	tables []*Table
	close  func() error

	// Others, if set before Run, is asked whether a change matters: of a chain or its rules, or of a table itself where
	// chain is empty. hook is that of a base chain that is added or changed, as in BaseChain. An UnreadableSet that is
	// added to a table of others matters whatever Others says. OthersChanged is called once for each transaction with a
	// change that matters, or where notifications were lost.
	Others        func(table ID, chain, hook string) bool
	OthersChanged func()
}

// Subscribe joins the kernel's notifications of changes to nftables in the calling thread's network namespace. The
// caller runs the Watch or closes it.
func Subscribe(tables ...*Table) (*Watch, error) {
	var done []func()
	for _, t := range tables {
		done = append(done, t.own.watch())
	}
	conn, err := joinRuleset()
	w := &Watch{conn: conn, tables: tables, close: sync.OnceValue(func() error {
		for _, done := range done {
			done()
		}
		if conn == nil {
			return nil
		}
		return conn.Close()
	})}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func joinRuleset() (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("open a netfilter netlink socket: %w", err)
	}
	err = errors.Join(conn.SetReadBuffer(eventBuffer), conn.JoinGroup(unix.NFNLGRP_NFTABLES))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe to nftables notifications: %w", err), conn.Close())
	}
	return conn, nil
}

// Close ends the subscription. Closing twice is fine.
func (w *Watch) Close() error { return w.close() }

// Run calls changed whenever somebody else has changed one of the tables, or may have, until ctx ends; then it closes
// the subscription and returns nil. It calls changed once for each transaction and table, with the ruleset's
// generation, or with zero for every table where notifications were lost. Packets that are counted change nothing.
func (w *Watch) Run(ctx context.Context, changed func(t *Table, generation uint32)) error {
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	defer func() {
		stop()
		_ = w.Close()
	}()
	events := w.events(changed)
	for {
		messages, err := w.conn.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			events.lost()
		case err != nil:
			return fmt.Errorf("receive nftables notifications: %w", err)
		}
		for _, m := range messages {
			events.add(m)
		}
	}
}

// events leaves out the tables' own changes.
func (w *Watch) events(changed func(*Table, uint32)) *tableEvents {
	var ids []ID
	for _, t := range w.tables {
		ids = append(ids, t.ID)
	}
	events := newTableEvents(ids, func(table int, generation uint32) {
		t := w.tables[table]
		if generation == 0 || !t.own.take(generation) {
			changed(t, generation)
		}
	})
	events.matters, events.othersChanged = w.Others, w.OthersChanged
	return events
}
