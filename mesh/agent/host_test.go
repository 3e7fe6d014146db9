package agent_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// host is the model of a Linux host that counts the agent's calls, and can make them fail and hold them up.
type host struct {
	*meshtest.Kernel

	mu                             sync.Mutex
	observed                       int
	counted                        map[string]uint64
	observeErr, applyErr, watchErr error
	underlayErr                    error
	// gate, where not nil, holds Observe until it is closed.
	gate chan struct{}
	// handshakes is how many calls of InitiateHandshakes are under way.
	handshakes atomic.Int32
	// silent says that the device does not answer who reads its peers.
	silent atomic.Bool
	reads  leakReads
}

// leakReads counts the calls of Leaks, and can hold them up and make them fail.
type leakReads struct {
	total, now, most int
	gate             chan struct{}
	err              error
}

// newHost is a fresh host with these addresses on an underlay of Ethernet.
func newHost(cfg mesh.Config, addrs []netip.Addr) *host {
	h := &host{Kernel: meshtest.NewKernel(cfg, false)}
	for _, a := range addrs {
		h.SetUnderlay(a, 1500)
	}
	return h
}

func (h *host) Observe(ctx context.Context) (mesh.Observation, error) {
	h.mu.Lock()
	gate, err := h.gate, h.observeErr
	h.observed++
	h.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err != nil {
		return mesh.Observation{}, fmt.Errorf("observe the host: %w", err) // as every Host says it
	}
	return h.Kernel.Observe(ctx)
}

// InitiateHandshakes goes on until ctx ends, as with peers that never answer.
func (h *host) InitiateHandshakes(ctx context.Context, peers []mesh.Peer) {
	h.handshakes.Add(1)
	defer h.handshakes.Add(-1)
	h.Kernel.InitiateHandshakes(ctx, peers)
	<-ctx.Done()
	time.Sleep(time.Millisecond)
}

func (h *host) Apply(ctx context.Context, c mesh.Change) error {
	h.mu.Lock()
	err := h.applyErr
	h.mu.Unlock()
	if err != nil {
		return err
	}
	return h.Kernel.Apply(ctx, c)
}

func (h *host) Watch(ctx context.Context, poke func(), seen func([]mesh.PeerStatus)) error {
	if h.watchErr != nil {
		return h.watchErr
	}
	return h.Kernel.Watch(ctx, poke, func(statuses []mesh.PeerStatus) {
		if !h.silent.Load() {
			seen(statuses)
		}
	})
}

func (h *host) UnderlayMTU(own, peers []netip.Addr) (int, error) {
	h.mu.Lock()
	err := h.underlayErr
	h.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return h.Kernel.UnderlayMTU(own, peers)
}

// failUnderlay makes UnderlayMTU fail; nil mends it.
func (h *host) failUnderlay(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.underlayErr = err
}

func (h *host) Leaks(ctx context.Context) (map[string]uint64, error) {
	h.mu.Lock()
	h.reads.total++
	h.reads.now++
	h.reads.most = max(h.reads.most, h.reads.now)
	gate, err := h.reads.gate, h.reads.err
	h.mu.Unlock()
	if gate != nil {
		<-gate
	}
	h.mu.Lock()
	h.reads.now--
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return h.Kernel.Leaks(ctx)
}

// holdLeaks keeps Leaks from returning until release is called.
func (h *host) holdLeaks() (release func()) {
	gate := make(chan struct{})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads.gate = gate
	return func() { close(gate) }
}

// failLeaks makes Leaks fail; nil mends it.
func (h *host) failLeaks(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads.err = err
}

// leakReads is how often Leaks was called, and how many calls at most were under way together.
func (h *host) leakReads() (total, atOnce int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reads.total, h.reads.most
}

// fail makes Observe and Apply fail; nil mends them.
func (h *host) fail(observe, apply error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.observeErr, h.applyErr = observe, apply
}

// hold keeps Observe from returning until release is called.
func (h *host) hold() (release func()) {
	gate := make(chan struct{})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gate = gate
	return func() { close(gate) }
}

// now is the host as it is.
func (h *host) now() mesh.State {
	o, err := h.Kernel.Observe(context.Background())
	if err != nil {
		panic(err)
	}
	return o.State
}

// meddle changes the host behind the daemon's back.
func (h *host) meddle(change func(s *mesh.State)) {
	before, after := h.now(), h.now()
	change(&after)
	if err := h.Meddler().Change(mesh.Diff(after, before)); err != nil {
		panic(err)
	}
}

// peers are the peers' keys.
func (h *host) peers() []keys.Public {
	var all []keys.Public
	for _, p := range h.now().Peers {
		all = append(all, p.PublicKey)
	}
	return all
}

// activity is what the loop has done since it was last asked for: how often it observed, and what it wrote.
func (h *host) activity() (observed int, wrote map[string]uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.Operations()
	wrote = maps.Clone(all)
	for kind, n := range h.counted {
		if wrote[kind] -= n; wrote[kind] == 0 {
			delete(wrote, kind)
		}
	}
	observed = h.observed
	h.observed, h.counted = 0, all
	return observed, wrote
}
