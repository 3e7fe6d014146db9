package enforce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"warren.mesh/cni/gate"
)

var _ gate.Daemon = (*Enforcer)(nil)

// Serves takes why the CNI plugin cannot ask, and nil when it can. Without the gate no pod can be attached, and none is
// detached: the node is not ready.
func (e *Enforcer) Serves(err error) {
	if err != nil {
		err = fmt.Errorf("no pod can be attached: %w", err)
	}
	e.report(stepGate, err)
}

// attachTimeout is how long an ADD is held: kubelets try again, and say meanwhile what is missing.
const attachTimeout = 10 * time.Second

// Attach returns when the pod's port, addresses and policies are in force and recorded. After an error nothing is left
// of the attachment: the next ADD has another container.
func (e *Enforcer) Attach(ctx context.Context, a gate.Attachment) error {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	if err := e.await(ctx); err != nil {
		return err
	}
	if err := e.taken(a); err != nil {
		return heldClosed(a, err)
	}
	e.mu.Lock()
	h := e.hold(a)
	e.urge()
	e.mu.Unlock()
	err := e.until(ctx, func() string {
		if e.held[a.Key()] != h {
			return "" // taken away; see record
		}
		return e.lacks(a.Key())
	})
	if err == nil {
		err = e.record(h)
	}
	if err != nil {
		e.drop(h)
		return heldClosed(a, err)
	}
	e.log.Debug("pod attached", "pod", a.Namespace+"/"+a.Name, "iface", a.Port, "addresses", fmt.Sprint(a.Addrs))
	return nil
}

// heldClosed returns an error for a pod that is not attached.
func heldClosed(a gate.Attachment, why error) error {
	return fmt.Errorf("pod %s/%s is held closed: %w", a.Namespace, a.Name, why)
}

// record writes the record of an attachment that is in force, and forgets those whose place it has taken.
func (e *Enforcer) record(h *attachment) error {
	e.recording.Lock()
	defer e.recording.Unlock()
	e.mu.Lock()
	if e.held[h.Key()] != h {
		e.mu.Unlock()
		return errors.New("it was detached meanwhile")
	}
	h.recorded = true
	stale := settle(e.recorded(), e.known).stale
	for _, key := range stale {
		delete(e.held, key)
	}
	e.mu.Unlock()
	for _, key := range stale {
		if err := e.cfg.Records.Delete(key.Container, key.Interface); err != nil {
			return err
		}
	}
	return e.cfg.Records.Put(h.Attachment)
}

// recorded returns the attachments that have a record. Call it with mu held.
func (e *Enforcer) recorded() map[gate.Key]*attachment {
	all := maps.Clone(e.held)
	maps.DeleteFunc(all, func(_ gate.Key, a *attachment) bool { return !a.recorded })
	return all
}

// drop takes away an attachment that has failed, unless another has its place.
func (e *Enforcer) drop(h *attachment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held[h.Key()] == h {
		delete(e.held, h.Key())
		e.urge()
	}
}

// Detach returns when the identity is taken away. While the tables stay as they are, because not all lists have been
// read, it does not wait: no address is given to another pod meanwhile, because ADD fails.
func (e *Enforcer) Detach(ctx context.Context, container, ifname string) error {
	if err := e.await(ctx); err != nil {
		return err
	}
	key := gate.Key{Container: container, Interface: ifname}
	recorded := e.cfg.Records.Addrs(container, ifname)
	e.mu.Lock()
	free := e.free(key, recorded)
	delete(e.held, key)
	e.urge()
	changes := e.changes
	e.mu.Unlock()
	if err := e.withdrawn(ctx, changes); err != nil {
		return fmt.Errorf("detach container %s: %w", container, err)
	}
	if len(free) > 0 {
		e.forgetting.of(free)
	}
	e.recording.Lock()
	defer e.recording.Unlock()
	return e.cfg.Records.Delete(container, ifname)
}

// free returns the addresses that nobody has once the attachment is gone. One that is not held has those of its record:
// it ended while no daemon ran, or its last DEL failed half way. Call it with mu held.
func (e *Enforcer) free(key gate.Key, recorded []netip.Addr) []netip.Addr {
	if gone, known := e.held[key]; known {
		recorded = gone.Addrs
	}
	return slices.DeleteFunc(slices.Clone(recorded), func(ip netip.Addr) bool {
		for other, a := range e.held {
			if other != key && slices.Contains(a.Addrs, ip) {
				return true
			}
		}
		return false
	})
}

// withdrawn waits until so much of what was done to the attachments is in the kernel.
func (e *Enforcer) withdrawn(ctx context.Context, changes uint64) error {
	return e.until(ctx, func() string {
		switch {
		case e.force.changes >= changes || !e.inForce.Load():
			return ""
		case e.force.missing != "":
			return "its identity is still in force: " + e.force.missing
		default:
			return "its identity is still in force"
		}
	})
}

// Check returns an error that names what is not in force of an attachment.
func (e *Enforcer) Check(ctx context.Context, a gate.Attachment) error {
	if err := e.await(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	h, ok := e.held[a.Key()]
	var lacks string
	switch {
	case !ok:
		lacks = "it is not known"
	case h.Port != a.Port || h.MAC != a.MAC || !slices.Equal(h.Addrs, a.Addrs):
		lacks = fmt.Sprintf("it is known with port %s, hardware address %s and addresses %v", h.Port, h.MAC, h.Addrs)
	default:
		lacks = e.lacks(a.Key())
	}
	if lacks != "" {
		return fmt.Errorf("pod %s/%s is not attached: %s", a.Namespace, a.Name, lacks)
	}
	return nil
}

// Ready returns nil while an ADD could succeed. It waits as long as an ADD, for a daemon that has just started.
//
// It returns nil too while such a daemon only waits and pods run here that a former one has attached: they work as
// before, and a node that is not ready would lose them. A node without such pods, as after a reboot, has to wait.
func (e *Enforcer) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	err := e.until(ctx, func() string {
		if e.force.paused && len(e.recorded()) > 0 {
			return ""
		}
		return e.force.missing
	})
	if err != nil {
		return fmt.Errorf("no pod can be attached: %w", err)
	}
	return nil
}

// Keep takes away the identity of what other containers have, but for what is being attached.
func (e *Enforcer) Keep(ctx context.Context, containers []string) error {
	if err := e.await(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	var gone []gate.Key
	for key, a := range e.held {
		if a.recorded && !slices.Contains(containers, key.Container) {
			gone = append(gone, key)
		}
	}
	e.mu.Unlock()
	errs := make([]error, len(gone))
	var running sync.WaitGroup
	for i, key := range gone {
		running.Go(func() { errs[i] = e.Detach(ctx, key.Container, key.Interface) })
	}
	running.Wait()
	return errors.Join(errs...)
}
