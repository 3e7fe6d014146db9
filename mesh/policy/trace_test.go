package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"warren.mesh/mesh/nft/nfttest"
)

// wire is a node with the table that Compile makes of an input: packets come and go through it.
type wire struct {
	*court
	tracer *nfttest.Tracer
	// connections is how many there were.
	connections int
}

func newWire(t *testing.T, in Input) *wire {
	t.Helper()
	state, _ := Compile(in)
	tracer, err := nfttest.NewTracer(state.Table, nfttest.Host{})
	if err != nil {
		t.Fatal(err)
	}
	return &wire{court: newCourt(in), tracer: tracer}
}

// connect returns what becomes of a connection's first packet, and of the answer.
func (w *wire) connect(c Connection) (request, answer nfttest.Outcome) {
	w.connections++
	client := netip.AddrPortFrom(c.Client, 40000)
	p := nfttest.Packet{From: client, To: netip.AddrPortFrom(c.Server, c.Port), Protocol: string(c.Protocol)}
	if c.Protocol == "icmp" && c.Client.Is6() {
		p.Protocol = "ipv6-icmp"
	}
	p.In, p.Out = w.from(c.Client), w.iface(c.Server)
	p.Conntrack.ID = w.connections
	request = w.tracer.Trace(p)
	p.From, p.To, p.In, p.Out = p.To, p.From, p.Out, p.In
	p.Conntrack.State, p.Conntrack.Reply = nfttest.Established, true
	return request, w.tracer.Trace(p)
}

// from is where a client is. Only pods of this node have link-local addresses that the tables meet.
func (w *wire) from(ip netip.Addr) string {
	if linkLocal(ip) {
		return "warren-br0"
	}
	return w.iface(ip)
}

// iface is where a server is: nowhere for this node, which is reached at a link-local address too, the bridge for its
// pods.
func (w *wire) iface(ip netip.Addr) string {
	switch e := w.end(ip); {
	case e.node, linkLocal(ip):
		return ""
	case e.attached || e.closed:
		return "warren-br0"
	default:
		return "warren0"
	}
}

// check compares with Judge. Answers are decided as requests are: a policy that is withdrawn ends what it had let in.
func (w *wire) check(t *testing.T, c Connection) {
	t.Helper()
	if w.from(c.Client) == "" && w.iface(c.Server) == "" {
		return // the node and itself
	}
	d := w.judge(c)
	request, answer := w.connect(c)
	if passes := request.Dropped == nil; passes != d.Allowed {
		t.Errorf("%+v: the request %v; Judge says %v", c, request, d)
	}
	// What the node asks an unknown pod, that one may answer: it is not new.
	if passes := answer.Dropped == nil; passes != d.Allowed && w.iface(c.Server) != "" && d.Reason != UnknownPod {
		t.Errorf("%+v: the answer %v; Judge says %v", c, answer, d)
	}
}

// checkIntervals wants no element of a set of intervals to overlap another: the kernel would refuse the table.
func (w *wire) checkIntervals(t *testing.T) {
	t.Helper()
	state, _ := Compile(w.Input)
	interval := map[string]bool{}
	for _, s := range state.Table.Sets {
		interval[s.Name] = s.Interval
	}
	for _, e := range state.Table.Elements {
		if !interval[e.Set] {
			continue
		}
		first, last := bounds(e.Key[0])
		for _, other := range state.Table.Elements {
			if other.Set != e.Set || other.Key[0] == e.Key[0] {
				continue
			}
			if from, to := bounds(other.Key[0]); from.Compare(last) <= 0 && first.Compare(to) <= 0 {
				t.Fatalf("set %s has %v and %v", e.Set, e.Key, other.Key)
			}
		}
	}
}

// bounds returns the ends of an element of a set of intervals; of ports, as addresses.
func bounds(key string) (first, last netip.Addr) {
	if p, err := netip.ParsePrefix(key); err == nil {
		return p.Addr(), lastOf(p)
	}
	one := func(text string) netip.Addr {
		if port, err := strconv.ParseUint(text, 10, 16); err == nil {
			return netip.AddrFrom4([4]byte{0, 0, byte(port >> 8), byte(port)})
		}
		return netip.MustParseAddr(text)
	}
	from, to, isRange := strings.Cut(key, "-")
	if !isRange {
		to = from
	}
	return one(from), one(to)
}

// FuzzTable draws clusters and connections: the table lets through what Judge does, by the same reason.
func FuzzTable(f *testing.F) {
	for seed := range uint64(150) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		d := newDice(seed)
		w := newWire(t, d.cluster())
		w.checkIntervals(t)
		for range 300 {
			w.check(t, d.between(w.Input))
		}
	})
}

// What was let through is cached for its connection alone, and what is refused is not.
func TestCacheIsAskedFirst(t *testing.T) {
	w := newWire(t, world(ingress("p", with("app=a"), rule(podsWith("app=b")))))
	c, _ := parseTrial(t, "b > a tcp/80: yes", "")
	const cached = "accept: let through before, and nothing was withdrawn since"
	for range 2 {
		if request, answer := w.connect(c); request.In("judge4") == cached || answer.In("judge4") != cached {
			t.Errorf("the request: %s, the answer: %s", request.In("judge4"), answer.In("judge4"))
		}
	}
	refused, _ := parseTrial(t, "r > a tcp/80: no", "")
	if request, answer := w.connect(refused); request.Dropped == nil || answer.Dropped == nil {
		t.Errorf("%v, %v", request, answer)
	}
}

// What belongs to no connection reaches no isolated pod and leaves none; errors of connections and neighbour discovery
// do.
func TestOddPackets(t *testing.T) {
	w := newWire(t, world(ingress("p", with("app=a")), egress("q", with("app=b"))))
	for _, c := range []struct {
		from, to, protocol, kind string
		state                    nfttest.State
		passes                   bool
	}{
		{"r", "a", "tcp", "", nfttest.Invalid, false},
		{"r", "a", "udp", "", nfttest.Untracked, false},
		{"b", "r", "tcp", "", nfttest.Invalid, false},
		{"r6", "a6", "tcp", "", nfttest.Invalid, false},
		{"b6", "r6", "udp", "", nfttest.Untracked, false},
		{"r", "b", "tcp", "", nfttest.Invalid, true},
		{"a", "c", "tcp", "", nfttest.Invalid, true},
		{"r", "a", "icmp", "", nfttest.Related, true},
		{"r6", "a6", "ipv6-icmp", "", nfttest.Related, true},
		{"r", "a", "tcp", "", nfttest.Related, false},
		{"b", "c", "tcp", "", nfttest.Related, false},
		{"r", "b", "tcp", "", nfttest.Related, true},
		{"a6", "b6", "ipv6-icmp", "nd-neighbor-solicit", nfttest.Untracked, true},
		{"b6", "node-gateway6", "ipv6-icmp", "nd-neighbor-advert", nfttest.Untracked, true},
		{"local6", "node-gateway6", "ipv6-icmp", "nd-neighbor-solicit", nfttest.Untracked, true},
		{"local6", "node-local6", "ipv6-icmp", "nd-router-solicit", nfttest.Untracked, true},
		{"b", "node", "udp", "", nfttest.Untracked, false},
		{"local6", "node-local6", "udp", "", nfttest.Untracked, false},
		{"local6", "node-gateway6", "tcp", "", nfttest.Invalid, false},
		{"local6", "node-local6", "ipv6-icmp", "", nfttest.Invalid, false},
	} {
		p := nfttest.Packet{
			From: netip.AddrPortFrom(addresses[c.from], 1), To: netip.AddrPortFrom(addresses[c.to], 2),
			Protocol: c.protocol, ICMPType: c.kind, In: w.from(addresses[c.from]), Out: w.iface(addresses[c.to]),
			HopLimit: 255,
		}
		p.Conntrack.State = c.state
		if got := w.tracer.Trace(p); (got.Dropped == nil) != c.passes {
			t.Errorf("%s > %s %s %s %s: %v", c.from, c.to, c.protocol, c.kind, c.state, got)
		}
	}
}

// A Service's address is translated before policies are asked: they judge the pod behind it.
func TestServicesAreJudgedByTheirBackend(t *testing.T) {
	w := newWire(t, world(egress("p", with("app=a"), rule(podsWith("app=b")).on(Port{TCP, "", 80, 0}))))
	for backend, passes := range map[string]bool{"b": true, "c": false, "a": true} {
		p := nfttest.Packet{
			From: netip.AddrPortFrom(addresses["a"], 40000), To: netip.MustParseAddrPort("10.96.0.10:8080"),
			Protocol: "tcp", In: "warren-br0", Out: "warren-br0",
		}
		p.Conntrack.Destination = netip.AddrPortFrom(addresses[backend], 80)
		if got := w.tracer.Trace(p); (got.Dropped == nil) != passes {
			t.Errorf("to %s: %v", backend, got)
		}
	}
}
