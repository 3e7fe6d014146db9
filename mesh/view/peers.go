package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// Order is what peers are sorted by.
type Order string

// The orders: by name, the worst state first, the eldest handshake first, the most bytes first.
const (
	ByNode      Order = "node"
	ByState     Order = "state"
	ByHandshake Order = "handshake"
	ByBytes     Order = "bytes"
)

var orders = map[Order]func(p, q status.Peer) int{
	ByNode:      func(_, _ status.Peer) int { return 0 }, // as they come
	ByState:     func(p, q status.Peer) int { return cmp.Compare(badness(p), badness(q)) },
	ByHandshake: func(p, q status.Peer) int { return p.LastHandshake.Compare(q.LastHandshake) },
	ByBytes: func(p, q status.Peer) int {
		return cmp.Compare(q.ReceivedBytes+q.SentBytes, p.ReceivedBytes+p.SentBytes)
	},
}

// badness orders states, the worst first.
func badness(p status.Peer) int {
	worst := []mesh.PeerState{mesh.PeerMissing, mesh.PeerUnanswered, mesh.PeerIdle, mesh.PeerConnected}
	return slices.Index(worst, p.State)
}

// ParseOrder returns the order of that name. The error lists all.
func ParseOrder(text string) (Order, error) {
	if _, known := orders[Order(text)]; !known {
		return "", fmt.Errorf("order %q: want one of node, state, handshake, bytes", text)
	}
	return Order(text), nil
}

// Sort returns the peers in that order, as ParseOrder knows it; peers that are equal in it stay as they are.
func Sort(peers []status.Peer, by Order) []status.Peer {
	return slices.SortedStableFunc(slices.Values(peers), orders[by])
}

// WritePeers writes a report's peers. The documents of JSON and YAML are the whole report.
func WritePeers(w io.Writer, f Format, r status.Report) error {
	if f == JSON || f == YAML {
		return WriteDocument(w, f, r)
	}
	lines := NewLines(w)
	writePeers(lines, f, r)
	return lines.Err()
}

func writePeers(lines *Lines, f Format, r status.Report) {
	if f != Name {
		writePeerTable(lines, f == Wide, r)
		return
	}
	for _, p := range r.Peers {
		lines.Add("%s", NameOf(p))
	}
}

func writePeerTable(lines *Lines, wide bool, r status.Report) {
	if r.ObservedAt.IsZero() {
		lines.Add("How the peers fare is not known: %s.", notRead)
		return
	}
	head := []string{"NODE", "STATE", "HANDSHAKE", "ENDPOINT", "RX", "TX", "RTT", "LOSS", "PATH-MTU"}
	if wide {
		head = append(head, "ANNOUNCED", "KEEPALIVE", "PUBLIC-KEY", "ALLOWED-IPS")
	}
	rows := table{head}
	for _, p := range r.Peers {
		row := []string{
			NameOf(p), string(p.State), ago(p.LastHandshake, r.ObservedAt), endpoint(p.Endpoint),
			bytes(p.ReceivedBytes), bytes(p.SentBytes),
		}
		row = append(row, measured(p.Probe)...)
		if wide {
			row = append(row, endpoint(p.Announced), keepalive(p.KeepaliveSeconds), p.PublicKey.String(),
				prefixes(p.AllowedIPs))
		}
		rows = append(rows, row)
	}
	rows.writeTo(lines)
}

// NameOf returns the Node, or the public key where nothing tells it.
func NameOf(p status.Peer) string { return cmp.Or(p.Node, p.PublicKey.String()) }

func endpoint(e netip.AddrPort) string {
	if !e.IsValid() {
		return "-"
	}
	return e.String()
}

func keepalive(seconds int) string {
	if seconds == 0 {
		return "off"
	}
	return (time.Duration(seconds) * time.Second).String()
}

func prefixes(all []netip.Prefix) string {
	var texts []string
	for _, p := range all {
		texts = append(texts, p.String())
	}
	return cmp.Or(strings.Join(texts, ","), "-")
}

// WriteAllPeers writes the peers of all nodes that have answered. JSON and YAML have the whole document.
func WriteAllPeers(w io.Writer, f Format, d ClusterDocument) error {
	if f == JSON || f == YAML {
		return WriteDocument(w, f, d)
	}
	lines := NewLines(w)
	for i, name := range slices.Sorted(maps.Keys(d.Reports)) {
		if f != Name && len(d.Reports) > 1 {
			if i > 0 {
				lines.Add("")
			}
			lines.Add("Peers of %s:", name)
		}
		writePeers(lines, f, d.Reports[name].Report)
	}
	return lines.Err()
}
