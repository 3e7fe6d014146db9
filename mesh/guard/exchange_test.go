package guard

import (
	"net/netip"
	"testing"

	"warren.mesh/mesh/nft/nfttest"
)

// exchange is a request to a hostPort of the node, which is translated to port 80 of the pod, and its answer.
type exchange struct {
	name string
	// client is the place that asks; from and to are the request's ends in the names of family.
	client, from, to string
}

func exchanges() []exchange {
	return []exchange{
		{name: "over the underlay", client: "underlay", from: "otherNode:5000", to: "node:8080"},
		{name: "through the mesh", client: "mesh", from: "thirdNode:5000", to: "gateway:8080"},
	}
}

// seen is what the ends of an exchange see as the other's address.
type seen struct{ ByPod, ByClient netip.AddrPort }

func (e exchange) want(f family) seen {
	return seen{ByPod: f.endpoint(e.from), ByClient: f.endpoint(e.to)}
}

// predict follows the request, and the answer with what connection tracking then knows. The answer goes over the
// underlay where the rules mark it, and through the mesh where they don't, as routing by the mark has it.
func (e exchange) predict(t *testing.T, tracer *nfttest.Tracer, f family) (s seen) {
	t.Helper()
	p := crossing{from: e.client, packet: e.from + " > " + e.to}.virtual(f)
	translated(f, &p)
	request := tracer.Trace(p)
	if request.Dropped != nil || request.To != f.endpoint("pod:80") {
		t.Errorf("%s, %s: the request %v", f.name, e.name, request)
	}
	p = crossing{from: "pod", packet: "pod:80 > " + e.from}.virtual(f)
	p.Conntrack = nfttest.Conntrack{
		State: nfttest.Established, Reply: true, DNAT: true, Mark: request.ConnectionMark, Source: f.endpoint(e.to),
	}
	p.Out = map[bool]string{true: "eth0", false: "warren0"}[e.client == "underlay"]
	answer := tracer.Trace(p)
	if marked := answer.Mark&testMark != 0; answer.Dropped != nil || marked != (p.Out == "eth0") {
		t.Errorf("%s, %s: the answer out of %s %v", f.name, e.name, p.Out, answer)
	}
	return seen{ByPod: request.From, ByClient: answer.From}
}

// TestHostPort has the tracer judge what TestPrivilegedHostPort has the kernel judge.
func TestHostPort(t *testing.T) {
	tracer := tracerOf(t, dualFirewall())
	for _, f := range families() {
		for _, e := range exchanges() {
			if got := e.predict(t, tracer, f); got != e.want(f) {
				t.Errorf("%s, %s: seen %v, want %v", f.name, e.name, got, e.want(f))
			}
		}
	}
}
