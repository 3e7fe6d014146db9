package status

import (
	"net/netip"
	"time"
)

// Measurement is what probes found out about the way to a peer and back, through the mesh.
type Measurement struct {
	// At is when the last probe ended.
	At time.Time `json:"at,omitzero"`
	// Sent and Answered count small probes.
	Sent     int `json:"sent"`
	Answered int `json:"answered"`
	// RTT are the round trips' times; nil if no probe was answered.
	RTT *RoundTrips `json:"rtt,omitempty"`
	// PathMTU is the size, in bytes, of the largest IP packet that came back in one piece: the mesh's MTU where the
	// whole of it passes. It is absent if it is not known.
	PathMTU int `json:"pathMTU,omitempty"`
}

// RoundTrips are times in seconds.
type RoundTrips struct {
	Least float64 `json:"leastSeconds"`
	Mean  float64 `json:"meanSeconds"`
	Most  float64 `json:"mostSeconds"`
}

// Longest returns the longest time.
func (r RoundTrips) Longest() time.Duration { return time.Duration(r.Most * float64(time.Second)) }

// With returns m after one more small probe, which was answered after took or not at all.
func (m Measurement) With(took time.Duration, answered bool) Measurement {
	m.Sent++
	if !answered {
		return m
	}
	m.Answered++
	t := took.Seconds()
	if m.RTT == nil {
		m.RTT = &RoundTrips{t, t, t}
		return m
	}
	n := float64(m.Answered)
	m.RTT = &RoundTrips{min(m.RTT.Least, t), (m.RTT.Mean*(n-1) + t) / n, max(m.RTT.Most, t)}
	return m
}

// Lost returns how many per cent of the small probes were not answered.
func (m Measurement) Lost() int {
	if m.Sent == 0 {
		return 0
	}
	return (100*(m.Sent-m.Answered) + m.Sent - 1) / m.Sent
}

// Ping is what `warren ping` found out about one peer.
type Ping struct {
	Node string `json:"node"`
	// Address is the peer's gateway address that was asked.
	Address netip.Addr `json:"address,omitzero"`
	Measurement
	// Reason says what kept it from being measured; empty if nothing did.
	Reason string `json:"reason,omitempty"`
}

// PingReport is what `warren ping` found out on one node.
type PingReport struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Source     Source `json:"source"`
	// ObservedAt is zero if nothing could be measured.
	ObservedAt time.Time `json:"observedAt,omitzero"`
	// Node is the node that has asked.
	Node string `json:"node,omitempty"`
	// MTU is the mesh's on that node, in bytes.
	MTU int `json:"mtu,omitempty"`
	// Peers are sorted by name, or in the order in which they were named.
	Peers []Ping `json:"peers,omitempty"`
}

// PingKind is PingReport's kind.
const PingKind = "PingReport"

// PingRequest is what the daemon is asked at POST /v1/probe.
type PingRequest struct {
	// Nodes are the peers to ask; none means all.
	Nodes []string `json:"nodes,omitempty"`
	// Count is how many small probes each gets, from 1 to MaxPings.
	Count int `json:"count"`
	// SkipPathMTU says that the path's MTU is not to be looked for, which takes longer than small probes.
	SkipPathMTU bool `json:"skipPathMTU,omitempty"`
	// Seconds is how long the daemon may measure: what it has found out by then is its answer. Zero is two minutes, and
	// more than that is no longer.
	Seconds int `json:"seconds,omitempty"`
}

// MaxPings bounds how many small probes a peer gets.
const MaxPings = 100
