package linux

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// eventBuffer is the receive buffer of the notifications' socket, in bytes: kube-proxy's first transaction in a cluster
// with thousands of Services is some megabytes of them.
const eventBuffer = 8 << 20

// subscribeRuleset joins the kernel's notifications of changes to nftables in the calling thread's network namespace.
func subscribeRuleset() (*netlink.Conn, error) {
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

// follow calls changed whenever somebody else has changed the table, or may have, until ctx ends; then it closes the
// subscription and returns nil. changed is called once for a transaction, and not for other tables', and is told the
// generation, or zero where notifications were lost. Packets that are counted change nothing. The own changes are known
// from when f.own is watched, which has to be before the subscription.
func (f *firewall) follow(ctx context.Context, conn *netlink.Conn, changed func(generation uint32)) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	events := tableEvents{changed: func(generation uint32) {
		if !f.own.excuses(generation) {
			changed(generation)
		}
	}}
	for {
		messages, err := conn.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS): // notifications were lost
			events.touched = false
			changed(0)
		case err != nil:
			return fmt.Errorf("receive nftables notifications: %w", err)
		}
		for _, m := range messages {
			events.add(m)
		}
	}
}

// tableEvents finds in the notifications those transactions that changed the table.
type tableEvents struct {
	// changed is told the generation, once for each transaction.
	changed func(generation uint32)
	// touched is whether the transaction whose notifications are coming in has changed the table.
	touched bool
}

// nfgenmsgSize is of what follows the header of every netfilter message: family, version and res_id (struct nfgenmsg of
// linux/netfilter/nfnetlink.h).
const nfgenmsgSize = 4

// add takes the next notification. One of type NEWGEN ends a transaction's.
func (e *tableEvents) add(m netlink.Message) {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || len(m.Data) < nfgenmsgSize {
		return
	}
	if m.Header.Type&0xff != unix.NFT_MSG_NEWGEN {
		e.touched = e.touched || m.Data[0] == unix.NFPROTO_INET && tableOf(m) == firewallTable
		return
	}
	if e.touched {
		e.touched = false
		e.changed(generationOf(m))
	}
}

// tableOf is the table's name: attribute 1 of every object's message, as in NFTA_TABLE_NAME and NFTA_RULE_TABLE.
func tableOf(m netlink.Message) string {
	for a := range attributes(m) {
		if a.Type() == unix.NFTA_TABLE_NAME {
			return a.String()
		}
	}
	return ""
}

// generationOf is zero, which is never in use, where the message has none.
func generationOf(m netlink.Message) uint32 {
	for a := range attributes(m) {
		if a.Type() == unix.NFTA_GEN_ID {
			return a.Uint32()
		}
	}
	return 0
}

func attributes(m netlink.Message) func(yield func(*netlink.AttributeDecoder) bool) {
	return func(yield func(*netlink.AttributeDecoder) bool) {
		d, err := netlink.NewAttributeDecoder(m.Data[nfgenmsgSize:])
		if err != nil {
			return
		}
		d.ByteOrder = binary.BigEndian
		for d.Next() && yield(d) {
		}
	}
}

// rulesetGeneration asks the kernel for the generation of the network namespace's ruleset.
func rulesetGeneration() (uint32, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return 0, fmt.Errorf("open a netfilter netlink socket: %w", err)
	}
	defer func() { _ = conn.Close() }()
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   make([]byte, nfgenmsgSize),
	})
	if err != nil {
		return 0, fmt.Errorf("read the generation of the nftables ruleset: %w", err)
	}
	if len(replies) != 1 || len(replies[0].Data) < nfgenmsgSize {
		return 0, fmt.Errorf("read the generation of the nftables ruleset: %d unexpected replies", len(replies))
	}
	return generationOf(replies[0]), nil
}
