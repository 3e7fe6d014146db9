package linux

import (
	"context"
	"errors"
	"fmt"

	"warren.mesh/mesh"
	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/linux/routing"
	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/nft"
)

// Apply makes the change: guards before what carries traffic, additions before removals. It continues past independent
// failures and joins them. What is there already, or gone already, is no failure. The error wraps ErrNoDevice while a
// userspace device is not there, and ErrPortTaken where something else listens on its port.
//
// Where there is no guard and none can be written, it makes what is fail-closed and nothing that carries traffic:
// unreachable routes, and rules. A guard that cannot be replaced is a guard, so behind it the change goes on: it gets
// the addresses of nodes that come, and loses those of nodes that go.
//
// Bringing a link up does not bring back the routes and IPv6 addresses that it lost when it went down: observe again
// after a change with a Link.
func (h *Host) Apply(ctx context.Context, c mesh.Change) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.expected.Apply(c)
	if err := h.apply(ctx, c); err != nil {
		h.expected.Invalidate()
		return err
	}
	h.expected.Confirm(c)
	return nil
}

func (h *Host) apply(ctx context.Context, c mesh.Change) error {
	routes := h.routes.Batch()
	closed := routes.Add(c.Routes.Add, routing.Unreachable)
	if err := ctx.Err(); err != nil {
		return errors.Join(closed, err)
	}
	err := h.guard(ctx, c)
	if err != nil && c.Firewall != nil {
		older, guarded := h.guarded(ctx)
		if !guarded {
			return errors.Join(closed, fmt.Errorf("the mesh waits for its guard: %w", err), h.rules.Set(c.Rules.Set))
		}
		c.NodeIPs, c.Firewall = guard.NodeIPEdits(older, *c.Firewall), nil
		err = errors.Join(err, h.guard(ctx, c))
	}
	return errors.Join(closed, err, h.behindGuard(ctx, c, routes))
}

// behindGuard makes what carries traffic, and removes what is not wanted any more.
func (h *Host) behindGuard(ctx context.Context, c mesh.Change, routes *routing.Batch) error {
	steps := []func() error{
		func() error { return h.sysctls.Set(c.Sysctls) }, // forwarding is one of them
		func() error { return h.overlay(ctx, c, routes) },
		func() error { return h.rules.Set(c.Rules.Set) },
		func() error { return h.rules.Remove(c.Rules.Remove) },
		func() error { return routes.Remove(c.Routes.Remove) },
		func() error { return h.removeAddresses(c) },
		func() error { return h.device.RemovePeers(c.Peers) },
		func() error { return h.unguard(ctx, c) },
	}
	var errs []error
	for _, step := range steps {
		// It is safe to stop after any step: nothing is removed before everything is added.
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, step())
	}
	return errors.Join(errs...)
}

// guard puts the firewall in force, or adds node addresses to it.
func (h *Host) guard(ctx context.Context, c mesh.Change) error {
	if c.Firewall != nil {
		return h.firewall.Replace(ctx, guard.Layout(*c.Firewall))
	}
	return h.firewall.Edit(ctx, guard.NodeIPs(c.NodeIPs.Add), nil)
}

// guarded returns the guard that is there, of whatever version of warren; ok is false where there is none. It does not
// ask the nft command, which may be why none could be written.
func (h *Host) guarded(ctx context.Context) (table nft.Listing, ok bool) {
	table, err := h.firewall.List(ctx)
	return table, err == nil && guard.InForce(table)
}

// unguard removes node addresses from the firewall, last of all.
func (h *Host) unguard(ctx context.Context, c mesh.Change) error {
	if c.Firewall != nil {
		return nil
	}
	return h.firewall.Edit(ctx, nil, guard.NodeIPs(c.NodeIPs.Remove))
}

// overlay makes what needs the interface. Without an interface it does not try the rest: one error says it all.
func (h *Host) overlay(ctx context.Context, c mesh.Change, routes *routing.Batch) error {
	err := h.links.set(ctx, c.Link)
	if errors.Is(err, ErrNoDevice) || errors.Is(err, rtnl.ErrNoLink) {
		return errors.Join(err, h.repairBridge(c))
	}
	return errors.Join(
		err,
		h.links.addAddresses(h.cfg.Link, c.Addresses.Add),
		h.repairBridge(c),
		h.tunnel(c),
		routes.Add(c.Routes.Add, routing.Unicast),
	)
}

// tunnel sets up device and peers. It sets no peers where the device failed: one that is not there or has another key
// has no use for them.
func (h *Host) tunnel(c mesh.Change) error {
	if err := h.device.Set(c.Device); err != nil {
		return err
	}
	return h.device.SetPeers(c.Peers)
}

// repairBridge sets MTU, hardware address and addresses of a bridge that somebody else made.
func (h *Host) repairBridge(c mesh.Change) error {
	return errors.Join(h.links.setMTU(h.cfg.Bridge, c.BridgeMTU), h.links.fixBridge(c.FixBridge),
		h.links.addAddresses(h.cfg.Bridge, c.BridgeAddresses.Add))
}

// removeAddresses comes after the routes that have them as their source are gone or replaced: the kernel removes such
// routes together with the address.
func (h *Host) removeAddresses(c mesh.Change) error {
	return errors.Join(
		h.links.removeAddresses(h.cfg.Link, c.Addresses.Remove),
		h.links.removeAddresses(h.cfg.Bridge, c.BridgeAddresses.Remove),
	)
}
