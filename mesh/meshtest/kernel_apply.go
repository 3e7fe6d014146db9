package meshtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"warren.mesh/mesh"
)

// Apply makes the change, in the order and with the failures of mesh/linux.
func (k *Kernel) Apply(_ context.Context, c mesh.Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.apply(c)
}

func (k *Kernel) apply(c mesh.Change) error {
	closed := each(nowhere(c.Routes.Add), k.addRoute)
	err := k.setFirewall(c.Firewall, mesh.Edits[netip.Addr]{Add: c.NodeIPs.Add})
	if err != nil && c.Firewall != nil && k.firewall.Link == "" {
		return errors.Join(closed, err, k.setRules(c.Rules.Set))
	}
	return errors.Join(closed, err, k.behindGuard(c))
}

func (k *Kernel) behindGuard(c mesh.Change) error {
	steps := []func() error{
		func() error { return each(c.Sysctls, k.setSysctl) },
		func() error { return k.setLink(c.Link) },
		func() error { return k.addAddresses(c) },
		func() error { return k.setBridge(c) },
		func() error { return k.setDevice(c.Device) },
		func() error { return k.setPeers(c.Peers) },
		func() error { return each(somewhere(c.Routes.Add), k.addRoute) },
		func() error { return k.setRules(c.Rules.Set) },
		func() error { return each(c.Rules.Remove, k.delRule) },
		func() error { return each(c.Routes.Remove, k.delRoute) },
		func() error { return k.delAddresses(c) },
		func() error { return k.removePeers(c.Peers) },
		func() error { return k.setFirewall(nil, mesh.Edits[netip.Addr]{Remove: c.NodeIPs.Remove}) },
	}
	var errs []error
	for _, step := range steps {
		errs = append(errs, step())
	}
	return errors.Join(errs...)
}

func each[T any](list []T, do func(T) error) error {
	var errs []error
	for _, one := range list {
		errs = append(errs, do(one))
	}
	return errors.Join(errs...)
}

func nowhere(routes []mesh.Route) []mesh.Route {
	return slices.DeleteFunc(slices.Clone(routes), func(r mesh.Route) bool { return r.Link != "" })
}

func somewhere(routes []mesh.Route) []mesh.Route {
	return slices.DeleteFunc(slices.Clone(routes), func(r mesh.Route) bool { return r.Link == "" })
}

// write counts one write of the kind, and returns the error that Fail set for it.
func (k *Kernel) write(kind string) error {
	k.counts[kind]++
	return k.faults[kind]
}

func (k *Kernel) setSysctl(s mesh.Sysctl) error {
	if err := k.write("sysctl-set"); err != nil {
		return fmt.Errorf("set sysctl %s: %w", s.Name, err)
	}
	k.sysctls[s.Name] = s.Value
	if s == (mesh.Sysctl{Name: mesh.DisableIPv6(k.cfg.Link), Value: "1"}) {
		k.loseIPv6()
	}
	return nil
}

// setFirewall replaces the table or edits its node addresses.
func (k *Kernel) setFirewall(f *mesh.Firewall, e mesh.Edits[netip.Addr]) error {
	if f == nil && len(e.Add)+len(e.Remove) == 0 {
		return nil
	}
	if err := k.write("nft-transaction"); err != nil {
		return fmt.Errorf("change nftables table inet warren: %w", err)
	}
	if f != nil {
		k.firewall = cloneFirewall(*f)
		return nil
	}
	if k.firewall.Link == "" {
		return errors.New("edit node addresses of nftables table inet warren: no such table")
	}
	k.firewall.NodeIPs = slices.DeleteFunc(append(k.firewall.NodeIPs, e.Add...), func(a netip.Addr) bool {
		return slices.Contains(e.Remove, a)
	})
	slices.SortFunc(k.firewall.NodeIPs, netip.Addr.Compare)
	k.firewall.NodeIPs = slices.Compact(k.firewall.NodeIPs)
	return nil
}

// setLink creates the interface, unless the device process does.
func (k *Kernel) setLink(want *mesh.Link) error {
	switch {
	case want == nil:
		return nil
	case k.link == nil && k.userspace:
		return k.noDevice()
	case k.link == nil:
		if err := k.write("link-add"); err != nil {
			return fmt.Errorf("create interface %s: %w", want.Name, err)
		}
		k.addLink(want.MTU)
		k.device = newDevice()
	}
	return errors.Join(k.setMTU(k.link, want.MTU), k.setUp(want.Up))
}

// addLink creates the interface with the kernel's defaults.
func (k *Kernel) addLink(mtu int) {
	k.link = &link{mtu: mtu, addresses: map[netip.Prefix]bool{}}
	k.sysctls[mesh.Forwarding(k.cfg.Link)], k.sysctls[mesh.DisableIPv6(k.cfg.Link)] = "1", "0"
}

// loseIPv6 takes the interface's IPv6 addresses and routes away.
func (k *Kernel) loseIPv6() {
	maps.DeleteFunc(k.link.addresses, func(p netip.Prefix, _ bool) bool { return p.Addr().Is6() })
	maps.DeleteFunc(k.routes, func(key mesh.RouteKey, r mesh.Route) bool {
		return r.Link == k.cfg.Link && key.Destination.Addr().Is6()
	})
}

func (k *Kernel) setMTU(l *link, mtu int) error {
	if mtu == 0 || l.mtu == mtu {
		return nil
	}
	if err := k.write("link-set"); err != nil {
		return fmt.Errorf("set the MTU to %d: %w", mtu, err)
	}
	l.mtu = mtu
	return nil
}

func (k *Kernel) setUp(up bool) error {
	if !up || k.link.up {
		return nil
	}
	if err := k.write("link-set"); err != nil {
		return fmt.Errorf("bring up interface %s: %w", k.cfg.Link, err)
	}
	k.link.up = true
	return nil
}

func (k *Kernel) setBridge(c mesh.Change) error {
	if k.bridge == nil {
		return nil
	}
	return errors.Join(
		k.setMTU(k.bridge, c.BridgeMTU),
		k.fixBridge(c.FixBridge),
		each(c.BridgeAddresses.Add, func(p netip.Prefix) error { return k.addAddress(k.bridge, p) }),
	)
}

func (k *Kernel) fixBridge(want bool) error {
	if !want || !k.bridge.floats {
		return nil
	}
	if err := k.write("link-set"); err != nil {
		return fmt.Errorf("fix the hardware address of interface %s: %w", k.cfg.Bridge, err)
	}
	k.bridge.floats = false
	return nil
}

// addAddresses returns no error for an interface that is absent: setLink does.
func (k *Kernel) addAddresses(c mesh.Change) error {
	if k.link == nil {
		return nil
	}
	return each(c.Addresses.Add, func(p netip.Prefix) error { return k.addAddress(k.link, p) })
}

func (k *Kernel) addAddress(l *link, p netip.Prefix) error {
	if err := k.write("address-add"); err != nil {
		return fmt.Errorf("add address %s: %w", p, err)
	}
	l.addresses[p] = true
	return nil
}

func (k *Kernel) delAddresses(c mesh.Change) error {
	var errs []error
	for l, gone := range map[*link][]netip.Prefix{k.link: c.Addresses.Remove, k.bridge: c.BridgeAddresses.Remove} {
		if l != nil {
			errs = append(errs, each(gone, func(p netip.Prefix) error { return k.delAddress(l, p) }))
		}
	}
	return errors.Join(errs...)
}

// delAddress also removes what has the address as its source: IPv4 routes as a whole, of IPv6 routes only the source.
func (k *Kernel) delAddress(l *link, p netip.Prefix) error {
	if err := k.write("address-del"); err != nil {
		return fmt.Errorf("remove address %s: %w", p, err)
	}
	delete(l.addresses, p)
	if k.has(p.Addr()) {
		return nil
	}
	for id, r := range k.routes {
		switch {
		case r.Source != p.Addr():
		case p.Addr().Is4():
			delete(k.routes, id)
		default:
			r.Source = netip.Addr{}
			k.routes[id] = r
		}
	}
	return nil
}

// has reports whether any interface has the address.
func (k *Kernel) has(a netip.Addr) bool {
	for _, l := range []*link{k.link, k.bridge} {
		if l == nil {
			continue
		}
		for p := range l.addresses {
			if p.Addr() == a {
				return true
			}
		}
	}
	return false
}
