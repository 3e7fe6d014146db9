package explain

import (
	"fmt"

	"warren.mesh/mesh"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/view"
)

// localLink is the interface that the kernel names for what ends on the host itself.
const localLink = "lo"

func ok(name, format string, args ...any) view.Check {
	return view.Check{Name: name, Result: view.OK, Detail: fmt.Sprintf(format, args...)}
}

func fail(name, format string, args ...any) view.Check {
	return view.Check{Name: name, Result: view.Fail, Detail: fmt.Sprintf(format, args...)}
}

func unknown(name, format string, args ...any) view.Check {
	return view.Check{Name: name, Result: view.Unknown, Detail: fmt.Sprintf(format, args...)}
}

func (f Facts) attachment(e End) view.Check {
	switch {
	case e.Unread:
		return unknown(StepAttachment, "%s: its port %s could not be read", e, e.Port)
	case e.Gone:
		return fail(StepAttachment, "%s: its port %s is gone", e, e.Port)
	case e.Master != f.Bridge:
		return fail(StepAttachment, "%s: its port %s is not in %s", e, e.Port, f.Bridge)
	case !e.Up:
		return fail(StepAttachment, "%s: its port %s is down", e, e.Port)
	default:
		return ok(StepAttachment, "%s behind port %s of %s", e, e.Port, f.Bridge)
	}
}

func (f Facts) policy() view.Check {
	switch p := f.Policies; {
	case p.Off:
		return ok(StepPolicy, "this node keeps no network policies")
	case p.Allowed == nil:
		return unknown(StepPolicy, "%s", p.Reason)
	case *p.Allowed:
		return ok(StepPolicy, "%s", p.Reason)
	default:
		return fail(StepPolicy, "%s", p.Reason)
	}
}

// rule wants one of warren's that looks the packet up in the table for its destination.
func (f Facts) rule() view.Check {
	if f.Rules == nil {
		return unknown(StepRule, "the policy rules could not be read")
	}
	for _, r := range f.Rules {
		selects := r.Mark == 0 && r.IPv6 == f.To.Addr.Is6() &&
			(!r.To.IsValid() || r.To.Contains(f.To.Addr)) &&
			(!r.From.IsValid() || r.From.Contains(f.From.Addr)) &&
			(r.Incoming == "" || r.Incoming == f.Link && !f.From.local())
		if selects && !r.Astray && r.Table == f.wanted() {
			return ok(StepRule, "%v", r)
		}
	}
	return fail(StepRule, "no rule of warren's in its place looks up %v in table %d", f.To.Addr, f.wanted())
}

// table wants anything of warren's in the table, which always has a barrier too: an empty table is told from one
// route that is lost.
func (f Facts) table() view.Check {
	if f.Routes == nil {
		return unknown(StepTable, "the routes could not be read")
	}
	count, routes := 0, "routes"
	for _, r := range f.Routes {
		if r.Table == f.wanted() && r.Foreign == 0 && r.Destination.Addr().Is6() == f.To.Addr.Is6() {
			count++
		}
	}
	if count == 0 {
		return fail(StepTable, "table %d is empty", f.wanted())
	}
	if count == 1 {
		routes = "route"
	}
	return ok(StepTable, "table %d has %d %s", f.wanted(), count, routes)
}

// leads wants the kernel to send a packet by an interface.
func (f Facts) leads(step string, r *Route, link string) view.Check {
	switch {
	case r == nil:
		return unknown(step, "the kernel could not be asked for the route")
	case r.Link == "":
		return fail(step, "unreachable: %s", r.Reason)
	case r.Link == link:
		return ok(step, "dev %s, table %d", link, r.Table)
	default:
		return fail(step, "the kernel sends it by %s, table %d; want %s", r.Link, r.Table, link)
	}
}

// leaves wants a route out of the mesh.
func (f Facts) leaves() view.Check {
	if f.Forth != nil && f.Forth.Link != "" && f.Forth.Link != f.Link && f.Forth.Link != f.Bridge {
		return ok(StepRoute, "dev %s, table %d: not in the mesh, and so not encrypted", f.Forth.Link, f.Forth.Table)
	}
	return f.leads(StepRoute, f.Forth, "an interface to the outside")
}

// guard tells of the table. While it is absent, routing keeps the mesh closed, and lets through what it would.
func (f Facts) guard() view.Check {
	switch f.Guard {
	case doctor.GuardWhole:
		return ok(StepGuard, "table inet warren is unaltered: it lets through what has the right way")
	case doctor.GuardAbsent:
		return view.Check{Name: StepGuard, Result: view.Warn, Detail: "there is no table inet warren"}
	case doctor.GuardAltered:
		return unknown(StepGuard, "somebody has changed table inet warren: what it drops now is not known")
	default:
		return unknown(StepGuard, "table inet warren could not be read")
	}
}

func (f Facts) peer(e End) view.Check {
	p, found := f.peerOf(e.Addr)
	switch {
	case f.Peers == nil:
		return unknown(StepPeer, "the device %s could not be read", f.Link)
	case !found:
		return fail(StepPeer, "no peer of %s has %v in its allowed IPs", f.Link, e.Addr)
	case p.State == mesh.PeerMissing:
		return fail(StepPeer, "%s is not on the device %s", view.NameOf(p), f.Link)
	default:
		return ok(StepPeer, "%v is %s's", e.Addr, view.NameOf(p))
	}
}

func (f Facts) session(e End) view.Check {
	p, found := f.peerOf(e.Addr)
	switch {
	case !found || p.State == mesh.PeerMissing:
		return unknown(StepSession, "there is no peer to have one with")
	case p.State == mesh.PeerConnected:
		return ok(StepSession, "with %v", p.Endpoint)
	case p.State == mesh.PeerIdle:
		return unknown(StepSession, "none, because nothing goes to %s: send something, and ask again", view.NameOf(p))
	case !p.Endpoint.IsValid():
		return fail(StepSession, "none: %s has no endpoint", view.NameOf(p))
	default:
		return view.Check{
			Name: StepSession, Result: view.Fail, Runbook: doctor.Sessions.Anchor(),
			Detail: fmt.Sprintf("none: %s has sent %d bytes, and does not answer what goes to %v", view.NameOf(p),
				p.ReceivedBytes, p.Endpoint),
			Remedy: fmt.Sprintf("look whether UDP port %d is let through to %v, and back", p.Endpoint.Port(),
				p.Endpoint.Addr()),
		}
	}
}
