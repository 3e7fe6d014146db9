package linux

import (
	"context"
	"fmt"
	"io/fs"

	"warren.mesh/mesh"
	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/linux/wg"
	"warren.mesh/mesh/nft"
)

// ReadPeers returns the peers of the WireGuard device behind a link and what is seen of them, both sorted by key. It
// needs no Host: it is for whoever looks at a node whose daemon does not answer. The error wraps fs.ErrNotExist where
// no device answers.
func ReadPeers(link string) ([]mesh.Peer, []mesh.PeerStatus, error) {
	client, err := wg.Open()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = client.Close() }()
	device, err := wg.Device{Client: client, Name: link}.Read()
	if err == nil && device == nil {
		err = fmt.Errorf("no WireGuard device %s answers: %w", link, fs.ErrNotExist)
	}
	if err != nil {
		return nil, nil, err
	}
	seen := mesh.Observation{State: mesh.State{Peers: wg.Peers(device)}, Statuses: wg.Statuses(device)}
	seen.Sort()
	return seen.Peers, seen.Statuses, nil
}

// ReadLink returns an interface's MTU and the bytes that it has received and sent. It needs no Host either.
func ReadLink(name string) (mtu int, received, sent uint64, err error) {
	conn, err := rtnl.Open()
	if err != nil {
		return 0, 0, 0, err
	}
	defer conn.Close()
	link, err := conn.Find(name)
	switch {
	case err != nil:
		return 0, 0, 0, err
	case link == nil:
		return 0, 0, 0, fmt.Errorf("no interface %s: %w", name, fs.ErrNotExist)
	}
	attrs := link.Attrs()
	if s := attrs.Statistics; s != nil {
		received, sent = s.RxBytes, s.TxBytes
	}
	return attrs.MTU, received, sent, nil
}

// ReadGuard returns the guard's counters by name, in packets. It needs no Host either. The error wraps fs.ErrNotExist
// where the guard's table is absent.
func ReadGuard(ctx context.Context) (map[string]uint64, error) {
	table, err := nft.Open(guard.Table, func() {})
	if err != nil {
		return nil, err
	}
	packets, err := table.Counters(ctx)
	if err == nil && packets == nil {
		err = fmt.Errorf("no nftables table %v: %w", table.ID, fs.ErrNotExist)
	}
	return packets, err
}
