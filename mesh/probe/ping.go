package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"warren.mesh/mesh/status"
)

// ErrNoPeer is wrapped by the error about a Node that is no peer.
var ErrNoPeer = errors.New("is no peer of this node")

// ErrNotReady says that no peer can be asked: the node has no address in the mesh yet.
var ErrNotReady = errors.New("this node has no socket in the mesh: see warren status")

// atOnce is how many peers are asked at the same time.
const atOnce = 128

// Ping asks the peers of a request and returns what was measured, in the order of their names. If ctx ends before, the
// rest is said not to be measured: how long it may take is the caller's. The error wraps ErrNoPeer or ErrNotReady.
func (s *Station) Ping(ctx context.Context, request status.PingRequest) (status.PingReport, error) {
	s.mu.Lock()
	mtu, ready := s.mtu, s.conns != [2]*conn{}
	s.mu.Unlock()
	r := status.PingReport{
		APIVersion: status.APIVersion, Kind: status.PingKind, Source: status.SourceDaemon, Node: s.cfg.Node, MTU: mtu,
	}
	if !ready {
		return r, ErrNotReady
	}
	nodes := request.Nodes
	if len(nodes) == 0 {
		nodes = s.peers.nodes()
	}
	r.Peers = make([]status.Ping, len(nodes))
	for i, node := range nodes {
		gateways := s.peers.of(node)
		if len(gateways) == 0 {
			return r, fmt.Errorf("%s %w", node, ErrNoPeer)
		}
		to, known := gatewayLike(gateways, s.has)
		if r.Peers[i] = (status.Ping{Node: node, Address: to}); !known {
			r.Peers[i].Reason = "no address family in common"
		}
	}
	turn := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i := range r.Peers {
		if p := &r.Peers[i]; p.Reason == "" {
			turn <- struct{}{}
			group.Go(func() {
				defer func() { <-turn }()
				s.ask(ctx, p, mtu, request)
			})
		}
	}
	group.Wait()
	r.ObservedAt = time.Now()
	return r, nil
}

// ask measures the way to one peer.
func (s *Station) ask(ctx context.Context, p *status.Ping, mtu int, request status.PingRequest) {
	w := s.way(p.Address, mtu)
	w.small = request.SkipPathMTU
	var err error
	p.Measurement, err = w.measure(ctx, request.Count)
	switch {
	case ctx.Err() != nil:
		p.Reason = "no time was left to measure it"
	case err != nil:
		p.Reason = err.Error()
	}
}

// has reports whether this node has a socket from which an address can be asked.
func (s *Station) has(to netip.Addr) bool { return s.conn(to) != nil }

// way returns the way to a gateway.
func (s *Station) way(to netip.Addr, mtu int) way {
	return way{smallest: least(to), mtu: mtu,
		exchange: func(ctx context.Context, size int, wait time.Duration) (time.Duration, error) {
			socket := s.conn(to)
			if socket == nil {
				return 0, ErrNotReady
			}
			return s.pending.exchange(ctx, socket, to, size, wait)
		}}
}
