package guard

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/mesh"
	"warren.mesh/mesh/nft/nfttest"
)

// tracerOf follows packets through the table for fw, on the topology's node.
func tracerOf(t *testing.T, fw mesh.Firewall) *nfttest.Tracer {
	t.Helper()
	host := nfttest.Host{Masquerade: map[string][]netip.Addr{}}
	for _, f := range families() {
		host.Local = append(host.Local, f.node, f.gateway, f.secondary)
		host.Masquerade["eth0"] = append(host.Masquerade["eth0"], f.node)
		host.Masquerade["warren0"] = append(host.Masquerade["warren0"], f.gateway)
	}
	tracer, err := nfttest.NewTracer(Layout(fw), host)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// predict says what the crossing causes, as far as the tracer knows.
func (c crossing) predict(tracer *nfttest.Tracer, f family) effect {
	p := c.virtual(f)
	outcome := tracer.Trace(p)
	e := effect{Counted: outcome.Counters}
	if outcome.Dropped != nil {
		return e
	}
	number := map[string]int{"udp": 17, "tcp": 6}[p.Protocol]
	seen := []string{fmt.Sprintf("%d %v > %v", number, outcome.From, outcome.To)}
	switch p.Out {
	case "eth0":
		e.Underlay = seen
	case "warren0":
		e.Mesh = seen
	}
	return e
}

// virtual is the crossing's packet with what the topology's node would know of it.
func (c crossing) virtual(f family) nfttest.Packet {
	from, to := c.ends(f)
	p := nfttest.Packet{
		In: f.comesIn(c.from, from.Addr()), Out: f.goesOut(to.Addr()),
		From: from, To: to, Protocol: "udp", Mark: c.mark,
	}
	if c.first != "" {
		p.FirstIn = f.comesIn(c.first, from.Addr())
	}
	if c.invalid {
		p.Protocol, p.Conntrack.State = "tcp", nfttest.Invalid
	}
	if c.source != "" {
		p.Conntrack.Source = f.endpoint(c.source)
	}
	return p
}

// comesIn is the node's interface to a place; the pod has another network, too.
func (f family) comesIn(place string, source netip.Addr) string {
	if source == f.container {
		return "other0"
	}
	return map[string]string{"pod": "warren-br0", "underlay": "eth0", "mesh": "warren0"}[place]
}

// goesOut is what the node's routes say.
func (f family) goesOut(to netip.Addr) string {
	switch to {
	case f.node, f.gateway, f.secondary:
		return ""
	case f.pod, f.neighbour:
		return "warren-br0"
	case f.remotePod, f.farPod:
		return "warren0"
	default:
		return "eth0"
	}
}

// TestCrossings has the tracer judge what TestPrivilegedPackets has the kernel judge.
func TestCrossings(t *testing.T) {
	testCrossings(t, dualFirewall(), crossings())
}

// TestPlainCrossings has the tracer judge what TestPrivilegedPlainFrom has the kernel judge.
func TestPlainCrossings(t *testing.T) {
	testCrossings(t, plainFirewall(), plainCrossings())
}

func testCrossings(t *testing.T, fw mesh.Firewall, all []crossing) {
	t.Helper()
	tracer := tracerOf(t, fw)
	for _, f := range families() {
		for _, c := range all {
			t.Run(f.name+", "+c.name, func(t *testing.T) {
				if diff := cmp.Diff(c.effect(f), c.predict(tracer, f), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s (-want +got):\n%s%v", c.packet, diff, tracer.Trace(c.virtual(f)))
				}
			})
		}
	}
}
