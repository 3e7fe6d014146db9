package mesh

import "fmt"

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
	edits(&l, "rule", c.Rules)
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
	edits(l, "bridge address", c.BridgeAddresses)
	c.deviceLine(l)
}

// deviceLine names the old key if there was one: it ends all sessions, and all peers must learn the new key.
func (c Change) deviceLine(l *lines) {
	d := c.Device
	if d == nil {
		return
	}
	args := []any{"public_key", d.PublicKey.String(), "port", d.Port}
	if !c.OldKey.IsZero() {
		args = append(args, "old_public_key", c.OldKey.String())
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
		l.add("peer updated", args...)
	}
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
