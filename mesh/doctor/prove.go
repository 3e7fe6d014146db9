package doctor

import (
	"fmt"
	"time"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// Again is how long `doctor --wait` lets pass between two rounds of checks.
const Again = 2 * time.Second

// Probes is how many small probes each peer gets if everything is to be proven.
const Probes = 100

// leastMessage is what a packet takes at least of the bytes that a device counts (WireGuard's protocol, transport data
// messages: a header and a tag of 16 bytes each).
const leastMessage = 32

// Proof is what probes of all peers have shown. Where there is one, it decides whether peers answer: a session says
// that they did within three minutes.
type Proof struct {
	// Pings is what the daemon has measured; zero if it did not answer.
	Pings status.PingReport
	// Before and After are the peers as they were before the probes and after them, in any order.
	Before, After []status.Peer
}

func (p Proof) pings() pings {
	return measured(map[string]status.PingReport{p.Pings.Node: p.Pings}, nil)
}

// answers wants each peer to answer, and the device to have carried questions and answers.
func (p Proof) answers() found {
	f := p.pings().answers()
	if texts := p.past(); f.result != view.Fail && len(texts) > 0 {
		return found{
			result: view.Fail, figure: f.figure, detail: view.First(texts, "; "),
			remedy: "find out what answers in the peer's name: wg show of both nodes tells what their devices carry",
		}
	}
	return f
}

// past returns the peers of which more was answered than the device has carried.
func (p Proof) past() (texts []string) {
	before, after := byNode(p.Before), byNode(p.After)
	for _, ping := range p.Pings.Peers {
		was, is := before[ping.Node], after[ping.Node]
		sent, received := since(was.SentBytes, is.SentBytes), since(was.ReceivedBytes, is.ReceivedBytes)
		if least := uint64(ping.Answered) * leastMessage; sent < least || received < least {
			texts = append(texts, fmt.Sprintf("%s answered %d probes, and the device sent %d bytes and received %d",
				ping.Node, ping.Answered, sent, received))
		}
	}
	return texts
}

func byNode(peers []status.Peer) map[string]status.Peer {
	all := map[string]status.Peer{}
	for _, p := range peers {
		all[p.Node] = p
	}
	return all
}

// since returns by how much a counter has grown; one that has begun anew, from zero.
func since(before, after uint64) uint64 {
	if after < before {
		return after
	}
	return after - before
}
