package mesh

import (
	"fmt"
	"net/netip"
	"time"

	"warren.mesh/keys"
)

// Edits are additions and removals of values of one kind, each sorted. Additions are made first.
type Edits[T any] struct{ Add, Remove []T }

// Change turns one State into another: it has only what differs. The zero value changes nothing. State.Apply says what
// it means.
type Change struct {
	Sysctls []Sysctl
	// Firewall replaces the whole table in one transaction; nil keeps it.
	Firewall *Firewall
	// NodeIPs edits the table's set of node addresses. It is empty if Firewall is set.
	NodeIPs Edits[netip.Addr]
	// Link creates the interface, sets its MTU or brings it up; nil keeps it. Addresses edits its addresses.
	Link      *Link
	Addresses Edits[netip.Prefix]
	// BridgeMTU sets the bridge's MTU in bytes; zero keeps it. Neither this, BridgeAddresses nor FixBridge creates
	// the bridge: if it is absent, they do nothing.
	BridgeMTU       int
	BridgeAddresses Edits[netip.Prefix]
	// FixBridge gives the bridge the hardware address that it has, for good.
	FixBridge bool
	// Device sets key, port and mark; nil keeps them. OldDevice is what they were; its key is zero where the device was
	// new or had lost its key.
	Device    *Device
	OldDevice Device
	Peers     PeerEdits
	// Routes are identified by RouteKey: an added route replaces the route with the same key, which is then not in
	// Remove.
	Routes Edits[Route]
	Rules  RuleEdits
}

// RuleEdits are the changes to the policy-routing rules.
type RuleEdits struct {
	// Set has the whole sequence of each address family whose rules are not as they should be, and puts it in force
	// before the earlier one ends. A family without a rule in Set is kept.
	Set []Rule
	// Remove has the rules that should not be, astray or not.
	Remove []Rule
}

// PeerEdits are the changes to the device's peers. An allowed IP that moves is only added, to the peer that should have
// it. WireGuard takes it from the other peer in the same step, so there is no moment at which no peer, or the wrong
// peer, has it.
type PeerEdits struct {
	Add    []Peer
	Update []PeerUpdate
	// Remove has the peers as they were, so that the log can name their nodes; the key says which to remove.
	Remove []Peer
}

// PeerUpdate changes one peer in place; nil fields and what is not edited are kept.
type PeerUpdate struct {
	PublicKey keys.Public
	// Node is the peer's new name, or the one that it has.
	Node     string
	Endpoint *netip.AddrPort
	// AllowedIPs edits those that the peer has. Those that move to another peer are not in Remove.
	AllowedIPs Edits[netip.Prefix]
	Keepalive  *time.Duration
	// Unshare removes the preshared key that somebody has set.
	Unshare bool
}

// Empty reports whether the change changes nothing.
func (c Change) Empty() bool {
	return c.Firewall == nil && c.Link == nil && c.BridgeMTU == 0 && !c.FixBridge && c.Device == nil &&
		len(c.Sysctls) == 0 &&
		c.NodeIPs.empty() && c.Addresses.empty() && c.BridgeAddresses.empty() &&
		c.Peers.empty() && c.Routes.empty() && c.Rules.empty()
}

// Sets reports whether the update sets or adds anything on the device. An update that does not only removes allowed IPs
// or tells the node's new name.
func (u PeerUpdate) Sets() bool {
	return u.Endpoint != nil || u.Keepalive != nil || u.Unshare || len(u.AllowedIPs.Add) > 0
}

func (e Edits[T]) empty() bool { return len(e.Add)+len(e.Remove) == 0 }

func (e RuleEdits) empty() bool { return len(e.Set)+len(e.Remove) == 0 }

func (e PeerEdits) empty() bool { return len(e.Add)+len(e.Update)+len(e.Remove) == 0 }

// WithoutRemovals returns the change with only what it adds and replaces. The agent applies this while it does not know
// all nodes.
func (c Change) WithoutRemovals() Change {
	c.NodeIPs.Remove = nil
	c.Addresses.Remove = nil
	c.BridgeAddresses.Remove = nil
	c.Peers = c.Peers.withoutRemovals()
	c.Routes.Remove = nil
	c.Rules.Remove = nil
	return c
}

func (e PeerEdits) withoutRemovals() PeerEdits {
	var kept []PeerUpdate
	for _, u := range e.Update {
		u.AllowedIPs.Remove = nil
		if u.Sets() {
			kept = append(kept, u)
		}
	}
	return PeerEdits{Add: e.Add, Update: kept}
}

// Line is one line for the log: a constant message and slog's alternating keys and values.
type Line struct {
	Message string
	Args    []any
}

// Lines describes the change for the log, one line for each thing that changes, in the order of application. A new mesh
// of N nodes has several times N lines.
func (c Change) Lines() []Line {
	var l lines
	for _, s := range c.Sysctls {
		l.add("sysctl set", "sysctl", s.Name, "value", s.Value)
	}
	c.firewallLines(&l)
	c.linkLines(&l)
	c.peerLines(&l)
	edits(&l, "route", c.Routes)
	c.Rules.lines(&l)
	for _, p := range c.Peers.Remove {
		l.add("peer removed", "node", p.Node, "peer", p.PublicKey.String())
	}
	return l
}

func (c Change) firewallLines(l *lines) {
	if f := c.Firewall; f != nil {
		l.add("firewall table replaced", "iface", f.Link, "nodes", len(f.NodeIPs))
	}
	edits(l, "guarded node address", c.NodeIPs)
}

func (c Change) linkLines(l *lines) {
	if link := c.Link; link != nil {
		l.add("interface set", "iface", link.Name, "mtu", link.MTU)
	}
	edits(l, "interface address", c.Addresses)
	if c.BridgeMTU != 0 {
		l.add("bridge set", "mtu", c.BridgeMTU)
	}
	if c.FixBridge {
		l.add("bridge keeps its hardware address from now on")
	}
	edits(l, "bridge address", c.BridgeAddresses)
	c.deviceLine(l)
}

// deviceLine names of the old device what is replaced. Another key ends all sessions, and all peers must learn it.
func (c Change) deviceLine(l *lines) {
	d, old := c.Device, c.OldDevice
	if d == nil {
		return
	}
	args := []any{"public_key", d.PublicKey.String(), "port", d.Port}
	if !old.PublicKey.IsZero() && old.PublicKey != d.PublicKey {
		args = append(args, "old_public_key", old.PublicKey.String())
	}
	if old.Port != 0 && old.Port != d.Port {
		args = append(args, "old_port", old.Port)
	}
	if old.Mark != d.Mark {
		args = append(args, "old_fwmark", fmt.Sprintf("%#x", old.Mark))
	}
	l.add("device set", args...)
}

func (c Change) peerLines(l *lines) {
	for _, p := range c.Peers.Add {
		l.add("peer added", "node", p.Node, "peer", p.PublicKey.String(), "endpoint", p.Endpoint.String(),
			"allowed_ips", fmt.Sprint(p.AllowedIPs))
	}
	for _, u := range c.Peers.Update {
		args := []any{"node", u.Node, "peer", u.PublicKey.String()}
		if u.Endpoint != nil {
			args = append(args, "endpoint", u.Endpoint.String())
		}
		if len(u.AllowedIPs.Add) > 0 {
			args = append(args, "allowed_ips_added", fmt.Sprint(u.AllowedIPs.Add))
		}
		if len(u.AllowedIPs.Remove) > 0 {
			args = append(args, "allowed_ips_removed", fmt.Sprint(u.AllowedIPs.Remove))
		}
		if u.Keepalive != nil {
			args = append(args, "keepalive", *u.Keepalive)
		}
		if u.Unshare {
			args = append(args, "preshared_key", "removed")
		}
		l.add("peer updated", args...)
	}
}

// lines says the sequence of each family in one line: which of its rules was the reason is of no use.
func (e RuleEdits) lines(l *lines) {
	for _, v6 := range []bool{false, true} {
		if sequence := rulesOf(v6, e.Set); len(sequence) > 0 {
			l.add("rules set", "value", join(sequence, Rule.String))
		}
	}
	edits(l, "rule", Edits[Rule]{Remove: e.Remove})
}

type lines []Line

func (l *lines) add(message string, args ...any) { *l = append(*l, Line{message, args}) }

// edits adds lines "KIND added" and "KIND removed", with the value under "value".
func edits[T any](l *lines, kind string, e Edits[T]) {
	for _, value := range e.Add {
		l.add(kind+" added", "value", fmt.Sprint(value))
	}
	for _, value := range e.Remove {
		l.add(kind+" removed", "value", fmt.Sprint(value))
	}
}
