package explain

import (
	"net/netip"

	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/view"
)

// firewall tells of others' firewalls that the packet meets on the node, and that its answer meets, which comes in by
// WireGuard's port if the other end is of another node; of the worst of them, and of the first of these.
func (f Facts) firewall() view.Check {
	if f.Firewalls == nil {
		return unknown(StepFirewall, "the host's other firewalls could not be read")
	}
	worst := ok(StepFirewall, "none on this node drops it")
	for _, w := range f.Firewalls {
		c := view.Check{
			Name: StepFirewall, Result: w.result(), Detail: w.Reason, Remedy: w.Remedy,
			Runbook: doctor.HostFirewall.Anchor(),
		}
		if f.meets(w) && c.Result.Worse(worst.Result) {
			worst = c
		}
	}
	return worst
}

// result is a warning of what drops some packets by name, which an administrator wants of most that does so.
func (w Firewall) result() view.Result {
	switch {
	case w.Some:
		return view.Warn
	case w.Surely:
		return view.Fail
	default:
		return view.Unknown
	}
}

func (f Facts) meets(w Firewall) bool {
	sees := func(ip netip.Addr) bool { return ip.Is4() && w.IPv4 || ip.Is6() && w.IPv6 }
	switch {
	case w.WireGuard:
		return f.meetsWireGuard(sees)
	case !sees(f.To.Addr):
		return false
	case w.Hook == "input":
		return f.To.Own
	default:
		in, out := f.links()
		match := func(in, out string) bool { return (w.In == "" || w.In == in) && (w.Out == "" || w.Out == out) }
		return !f.From.Own && !f.To.Own && (match(in, out) || match(out, in))
	}
}

// links are the interfaces by which a packet that is forwarded comes in and goes out; its answer, the other way round.
// That to the outside is of no name.
func (f Facts) links() (in, out string) {
	in, out = f.Bridge, f.Link
	if !f.From.here() {
		in = f.Link
	}
	switch {
	case f.To.here():
		out = f.Bridge
	case f.kind() == outside:
		out = ""
	}
	return in, out
}

// meetsWireGuard reports whether the packet or its answer comes from a peer by an address that is seen.
func (f Facts) meetsWireGuard(sees func(netip.Addr) bool) bool {
	for _, e := range []End{f.From, f.To} {
		if e.local() || f.kind() == outside {
			continue
		}
		if p, found := f.peerOf(e.Addr); !found || !p.Endpoint.IsValid() || sees(p.Endpoint.Addr()) {
			return true
		}
	}
	return false
}
