package walls

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/test/lab/namespace"
)

// stream is a connection on which both ends say numbers, one after the other, whatever comes.
type stream struct {
	what string
	// up is what the client says, down what the server says.
	up, down way
}

// way is one direction of a stream: the last number that was said, and the last that came.
type way struct{ said, came atomic.Uint64 }

// pace is how often an end says something.
const pace = 3 * time.Millisecond

// begin opens the stream to a server of its own, in the pod of this name.
func (n *node) begin(t try, server string, to netip.Addr, port uint16) *stream {
	n.t.Helper()
	s := &stream{what: t.what}
	accept := n.listen(t.network, server, port)
	client, err := n.dial(t, to)
	if err != nil {
		n.t.Fatalf("%s: %v", t.what, err)
	}
	n.t.Cleanup(func() { _ = client.Close() })
	n.speak(client, &s.up)
	go hear(client, &s.down)
	c := accept()
	go hear(c, &s.up)
	n.speak(c, &s.down)
	return s
}

// listen returns the server's end of the first connection.
func (n *node) listen(network, where string, port uint16) (accept func() net.Conn) {
	n.t.Helper()
	err := n.ns[where].Do(func() error {
		if network == "tcp" {
			l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: int(port)})
			if err != nil {
				return err
			}
			n.t.Cleanup(func() { _ = l.Close() })
			accept = func() net.Conn {
				_ = l.SetDeadline(time.Now().Add(patience(answered)))
				c, err := l.Accept()
				if err != nil {
					n.t.Fatalf("port %d: %v", port, err)
				}
				n.t.Cleanup(func() { _ = c.Close() })
				return c
			}
			return nil
		}
		u, err := net.ListenUDP("udp", &net.UDPAddr{Port: int(port)})
		if err != nil {
			return err
		}
		n.t.Cleanup(func() { _ = u.Close() })
		accept = func() net.Conn {
			_ = u.SetDeadline(time.Now().Add(patience(answered)))
			_, client, err := u.ReadFromUDPAddrPort(make([]byte, 8))
			if err == nil {
				err = u.SetDeadline(time.Time{})
			}
			if err != nil {
				n.t.Fatalf("port %d: %v", port, err)
			}
			return answers{u, client}
		}
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return accept
}

// answers is a UDP server's end, for one client.
type answers struct {
	*net.UDPConn
	client netip.AddrPort
}

func (a answers) Write(b []byte) (int, error) { return a.WriteToUDPAddrPort(b, a.client) }

func (n *node) speak(c net.Conn, w *way) {
	if c, ok := c.(*net.TCPConn); ok {
		_ = c.SetNoDelay(false) // else what waits for an answer fills the buffer, with 1 KB for each number
	}
	end := make(chan struct{})
	n.t.Cleanup(func() { close(end) })
	go func() {
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
			}
			// An ICMP error of before says nothing about this one.
			_, _ = c.Write(binary.BigEndian.AppendUint64(nil, w.said.Add(1)))
		}
	}()
}

func hear(c net.Conn, w *way) {
	buffer := make([]byte, 8)
	for {
		switch _, err := io.ReadFull(c, buffer); {
		case err == nil:
			w.came.Store(binary.BigEndian.Uint64(buffer))
		case !isErrno(err, unix.ECONNREFUSED): // UDP's, before the policy came back
			return
		}
	}
}

// flows waits until what is said from now on comes, both ways.
func (s *stream) flows(t *testing.T, when string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for name, w := range map[string]*way{"to the server": &s.up, "to the client": &s.down} {
		for now := w.said.Load(); w.came.Load() <= now; time.Sleep(pace) {
			if time.Now().After(deadline) {
				t.Fatalf("%s, %s: %d was said and nothing after %d has come %s", when, s.what, now, w.came.Load(), name)
			}
		}
	}
}

// mark is the number that has been said last.
func (s *stream) mark() [2]uint64 { return [2]uint64{s.up.said.Load(), s.down.said.Load()} }

// stopped fails if anything has come that was said after the mark, once a hundred numbers were.
func (s *stream) stopped(t *testing.T, when string, mark [2]uint64) {
	t.Helper()
	for i, w := range []*way{&s.up, &s.down} {
		for w.said.Load() < mark[i]+100 {
			time.Sleep(pace)
		}
		if came := w.came.Load(); came > mark[i] {
			t.Errorf("%s, %s: number %d has come, way %d; %d was the last before", when, s.what, came, i, mark[i])
		}
	}
}

// edits brings the node's tables up to date by an Index's edits, as the daemon does.
type edits struct {
	*node
	*policy.Index
}

func (n *node) edits() edits {
	ix := policy.NewIndex()
	for _, namespace := range n.in.Namespaces {
		ix.SetNamespace(namespace)
	}
	for _, one := range n.in.Nodes {
		ix.SetNode(one)
	}
	for _, p := range n.in.Pods {
		ix.SetPod(p)
	}
	for _, p := range n.in.Policies {
		ix.SetPolicy(p)
	}
	for _, a := range n.in.Attached {
		ix.Attach(a)
	}
	n.make(ix.State().Table)
	return edits{n, ix}
}

// commit writes what has changed and reports whether something was withdrawn.
func (e edits) commit(attached ...pod) (tightens bool) {
	e.t.Helper()
	var of nft.Edit
	for _, p := range attached {
		of.Add = append(of.Add, ports.PortElements(p.port())...)
	}
	edit := e.Commit()
	if err := e.EditTables(e.t.Context(), of, edit.Edit, edit.Tightens); err != nil {
		e.t.Fatal(err)
	}
	return edit.Tightens
}

// relabel gives pod a other labels.
func (e edits) relabel(app string) {
	e.SetPod(policy.Pod{
		Namespace: "x", Name: "a", UID: "a", Node: "n1", Labels: policy.NewLabels(map[string]string{"app": app}),
	})
}

// cached returns how many connections are remembered as let through.
func (e edits) cached() (count int) {
	e.t.Helper()
	for _, set := range fresh {
		members, err := e.policy.Members(set)
		if err != nil {
			e.t.Fatal(err)
		}
		count += len(members)
	}
	return count
}

// streams are connections on one node, through Services and NodePorts, and from another node. The ends of the NodePorts
// are masqueraded or not.
func (n *node) streams() map[string]*stream {
	namespace.Run(n.t, `nft add table inet proxy
nft add chain inet proxy services { type nat hook prerouting priority dstnat; }
nft add rule inet proxy services ip daddr 10.96.0.10 dnat ip to 10.244.1.3
nft add rule inet proxy services ip daddr 10.99.0.1 udp dport 30004 dnat ip to 10.244.1.3:7004
nft add rule inet proxy services ip daddr 10.99.0.1 tcp dport 30005 meta mark set 1 dnat ip to 10.244.1.3:7005
nft add chain inet proxy masq { type nat hook postrouting priority srcnat; }
nft add rule inet proxy masq meta mark 1 masquerade`)
	all := map[string]*stream{}
	for _, c := range []struct {
		name, network, from, server string
		to, source                  netip.Addr
		port, serverPort            uint16
	}{
		{"tcp", "tcp", "a", "b", podB.v4(), netip.Addr{}, 7001, 7001},
		{"udp", "udp", "a", "b", podB.v6(), netip.Addr{}, 7002, 7002},
		{"tcp to a Service", "tcp", "a", "b", addr("10.96.0.10"), netip.Addr{}, 7003, 7003},
		{"udp to a NodePort", "udp", "remote", "b", addr("10.99.0.1"), addr("198.51.100.5"), 30004, 7004},
		{"tcp to a NodePort", "tcp", "remote", "b", addr("10.99.0.1"), addr("198.51.100.5"), 30005, 7005},
		{"udp of another node", "udp", "remote", "b", podB.v6(), remote6, 7006, 7006},
		{"tcp to another pod", "tcp", "a", "c", podC.v4(), netip.Addr{}, 7007, 7007},
	} {
		t := try{what: c.name, from: c.from, network: c.network, port: c.port, source: c.source, want: answered}
		all[c.name] = n.begin(t, c.server, c.to, c.serverPort)
	}
	return all
}

// toDB is a policy for b, which lets the apps named, and the block if there is one, reach the streams' ports.
func toDB(name, block string, apps ...string) policy.Policy {
	rule := policy.Rule{Ports: []policy.Port{
		{Protocol: policy.TCP, Number: 7000, End: 7010}, {Protocol: policy.UDP, Number: 7000, End: 7010},
	}}
	for _, app := range apps {
		s := selects(app)
		rule.Peers = append(rule.Peers, policy.Peer{Pods: &s})
	}
	if block != "" {
		rule.Peers = append(rule.Peers, policy.Peer{Block: &policy.Block{CIDR: netip.MustParsePrefix(block)}})
	}
	return policy.Policy{
		Namespace: "x", Name: name, Pods: selects("db"), IsolatesIngress: true, Ingress: []policy.Rule{rule},
	}
}

// TestPrivilegedStreams changes policies while both ends of connections talk. What is withdrawn ends with the next
// packet, both ways, whoever talks, also where addresses are translated; what is only added disturbs nothing.
func TestPrivilegedStreams(t *testing.T) {
	n := policyNode(t, false)
	n.attach(podD)
	n.in.Policies = nil
	e := n.edits()
	streams := n.streams()
	ofA := []string{"tcp", "udp", "tcp to a Service"}
	outside := []string{"udp to a NodePort", "tcp to a NodePort"}
	toB := slices.Concat(ofA, outside, []string{"udp of another node"})
	const block = "198.51.100.0/24"
	for _, step := range []struct {
		what    string
		change  func()
		stopped []string
		// tightens says that what was let through is judged again.
		tightens bool
	}{
		{what: "nobody is isolated", change: func() {}},
		{
			what: "b becomes isolated", stopped: toB, tightens: true,
			change: func() { e.SetPolicy(toDB("in", "", "nobody")) },
		},
		{what: "a policy more", change: func() { e.SetPolicy(toDB("more", block, "a")) }},
		{what: "br_netfilter is turned on", change: func() { n.bridgeNetfilter(true) }},
		{what: "a peer and a policy more", change: func() {
			e.SetPolicy(toDB("in", "192.0.2.0/24", "nobody", "other"))
			e.SetPolicy(toDB("third", "", "c"))
		}},
		{what: "an isolated pod more", change: func() {
			n.in.Attached = nil
			n.know(podD)
			e.SetPod(n.in.Pods[len(n.in.Pods)-1])
			e.Attach(n.in.Attached[0])
			e.SetPolicy(policy.Policy{Namespace: "y", Name: "d", Pods: selects("d"), IsolatesIngress: true})
			e.commit(podD)
		}},
		{what: "br_netfilter is turned off", change: func() { n.bridgeNetfilter(false) }},
		{what: "a is no peer", stopped: ofA, tightens: true, change: func() { e.relabel("other app") }},
		{what: "a is a peer again", change: func() { e.relabel("a") }},
		{
			what: "without the block", stopped: outside, tightens: true,
			change: func() { e.SetPolicy(toDB("more", "", "a")) },
		},
		{what: "with the block again", change: func() { e.SetPolicy(toDB("more", block, "a")) }},
		{
			what: "a becomes isolated as a client", stopped: append(slices.Clone(ofA), "tcp to another pod"),
			tightens: true, change: func() {
				e.SetPolicy(policy.Policy{Namespace: "x", Name: "a-out", Pods: selects("a"), IsolatesEgress: true})
			},
		},
		{what: "a is not isolated", change: func() { e.DeletePolicy("x", "a-out") }},
		{what: "no policy is left for b", change: func() {
			for _, name := range []string{"in", "more", "third"} {
				e.DeletePolicy("x", name)
			}
		}},
	} {
		cached := e.cached()
		step.change()
		if tightens := e.commit(); tightens != step.tightens {
			t.Errorf("%s: tightens %t, want %t", step.what, tightens, step.tightens)
		}
		marks := map[string][2]uint64{}
		for _, name := range step.stopped {
			marks[name] = streams[name].mark()
		}
		if now := e.cached(); !step.tightens && now < cached {
			t.Errorf("%s: of %d connections that were let through, %d are remembered", step.what, cached, now)
		}
		for name, s := range streams {
			if mark, stopped := marks[name]; stopped {
				s.stopped(t, step.what, mark)
			} else {
				s.flows(t, step.what)
			}
		}
	}
}
