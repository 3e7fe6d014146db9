package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/packet"
	"warren.mesh/test/lab/traffic"
)

// journey is a question that is translated on its way, and who must be seen at its end.
type journey struct {
	name string
	from *host.Host
	to   netip.AddrPort
	seen netip.Addr
	// underlay says that question and answer both travel on the underlay between the asker and the translating node;
	// otherwise neither does. The capture sees what nodes send: not the outside's questions.
	underlay bool
}

// The kinds of packets of a journey.
const (
	kindQuestion capture.Kind = "question"
	kindAnswer   capture.Kind = "answer"
	// kindBehind is what was translated already: in plain text on the underlay, it leaks.
	kindBehind capture.Kind = "behind"
	kindElse   capture.Kind = "else"
)

// judge tells the journey's packets on the underlay. What the ClusterIP stands for is not seen there by that address.
func (j journey) judge(_ string, h packet.Header) capture.Kind {
	switch {
	case h.Protocol != packet.TCP && h.Protocol != packet.UDP:
		return kindElse
	case h.Destination == j.to.Addr() && h.DestinationPort == j.to.Port():
		return kindQuestion
	case h.Source == j.to.Addr() && h.SourcePort == j.to.Port():
		return kindAnswer
	case h.SourcePort == traffic.EchoPort || h.DestinationPort == traffic.EchoPort:
		return kindBehind
	default:
		return kindElse
	}
}

// check makes the journey over TCP and UDP and looks at the underlay meanwhile.
func (j journey) check(t *testing.T, l *lab.Lab) {
	t.Helper()
	for _, network := range []string{"tcp", "udp"} {
		watch := l.WatchBy(t, j.judge)
		_, seen, err := ask(t.Context(), j.from, network, j.to)
		if err != nil {
			t.Errorf("%s: %v", j, err)
		} else if seen.Addr() != j.seen {
			t.Errorf("%s over %s: seen as %v, want %v", j, network, seen.Addr(), j.seen)
		}
		if err := j.wrong(l, watch.Stop()); err != nil {
			t.Errorf("%s over %s: %v", j, network, err)
		}
	}
}

// wrong says what the underlay should not have seen, or should have.
func (j journey) wrong(l *lab.Lab, r capture.Report) error {
	questions, answers := r.Packets[kindQuestion], r.Packets[kindAnswer]
	switch {
	case r.Dropped > 0:
		return fmt.Errorf("the capture missed %d packets", r.Dropped)
	case r.Packets[kindBehind] > 0:
		return fmt.Errorf("in plain text behind the translation: %v", r.Samples[kindBehind])
	case j.underlay && (answers == 0 || questions == 0 && j.from != l.Outside):
		return fmt.Errorf("%d questions and %d answers on the underlay, want both there", questions, answers)
	case !j.underlay && questions+answers > 0:
		return fmt.Errorf("on the underlay: %v %v", r.Samples[kindQuestion], r.Samples[kindAnswer])
	}
	return nil
}

// String is for failures.
func (j journey) String() string { return fmt.Sprintf("%s (%s → %v)", j.name, j.from.Name, j.to) }

// counts are the firewall's counters of every node, in packets: "node1 leak-pod".
type counts map[string]int

// firewallCounts reads them from the kernel: those in the metrics may be some seconds old.
func firewallCounts(t *testing.T, l *lab.Lab) counts {
	t.Helper()
	all := counts{}
	for _, n := range l.Nodes() {
		for name, packets := range countersOf(t, n, "inet") {
			all[n.Name+" "+name] = packets
		}
	}
	return all
}

// countersOf returns the counters of a node's table warren of that family.
func countersOf(t *testing.T, n *lab.Node, family string) counts {
	t.Helper()
	return countersIn(t, n.Host, family, "warren")
}

// countersIn returns the counters of a host's table.
func countersIn(t *testing.T, at *host.Host, family, table string) counts {
	t.Helper()
	all := counts{}
	var listing struct {
		Objects []struct {
			Counter *struct {
				Name    string
				Packets int
			}
		} `json:"nftables"`
	}
	text := at.MustExec(t, "nft", "-j", "list", "counters", "table", family, table)
	if err := json.Unmarshal([]byte(text), &listing); err != nil {
		t.Fatal(err)
	}
	for _, o := range listing.Objects {
		if o.Counter != nil {
			all[o.Counter.Name] = o.Counter.Packets
		}
	}
	return all
}

// wantSame fails the test for every counter that has gone up since; but names those that may.
func (c counts) wantSame(t *testing.T, l *lab.Lab, but ...string) {
	t.Helper()
	if len(c) == 0 {
		t.Fatal("the firewall has no counters")
	}
	before, now := maps.Clone(c), firewallCounts(t, l)
	for _, name := range but {
		delete(before, name)
		delete(now, name)
	}
	if diff := cmp.Diff(before, now); diff != "" {
		t.Errorf("the firewall's counters (-before +now):\n%s", diff)
	}
}
