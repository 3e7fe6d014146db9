package bench

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/linux/walls"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/pods"
)

// way is one kind of node, with a client and a server on it.
type way struct {
	name           string
	client, server *pods.Pod
}

// The ways between two pods of one node.
const (
	// bridged is what a node without warren's tables does: the bridge forwards, and br_netfilter tracks connections.
	bridged = "bridged"
	// routed has the table of ports, which sends packets up into IP, and connections are tracked there. Nothing decides
	// about them.
	routed = "routed"
	// open has all of warren's tables, and no policy.
	open = "open"
)

// BenchmarkPolicies compares ways between two pods of one node, in turns.
//
// Packets are datagrams of one connection. One thread sends each and receives it, and the kernel takes it all the way
// in between on that thread: so the thread's processor time is the packet's, from socket to socket, whatever else the
// machine does. Streams are of TCP; their ratios are of throughput, and of the processor time that both ends take for a
// byte.
func BenchmarkPolicies(b *testing.B) {
	ways := newWays(b, 1, 100, 1000)
	b.Run("packet", func(b *testing.B) { comparePackets(b, ways) })
	b.Run("stream", func(b *testing.B) { compareStreams(b, ways[bridged], ways["100"]) })
}

// newWays makes a node for each way. A number is how many policies isolate the server, and the client as well; the last
// one lets the connection through.
func newWays(b *testing.B, numbers ...int) map[string]way {
	b.Helper()
	names := []string{bridged, routed, open}
	for _, n := range numbers {
		names = append(names, fmt.Sprint(n))
	}
	c, ways := pods.New(b, len(names)), map[string]way{}
	c.Namespaces = []policy.Namespace{{Name: "x"}}
	for i, name := range names {
		both := c.Nodes[i].Add(named("client", name), named("server", name))
		ways[name] = way{name, both[0], both[1]}
	}
	for _, n := range numbers {
		for i := range n {
			c.Policies = append(c.Policies, oneOf(n, i)...)
		}
	}
	c.Sync()
	bareNode(b, c.Nodes[0], true)
	bareNode(b, c.Nodes[1], false)
	layout := ports.Layout(ports.Bridge{Name: "warren-br0", MAC: [6]byte{2, 0, 0, 0, 0, 1}}, c.Nodes[1].Ports())
	err := c.Nodes[1].Net.Do(func() error {
		_, err := c.Nodes[1].Walls.SyncTables(b.Context(), layout, accepting())
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return ways
}

func named(name, on string) policy.Pod {
	labels := policy.NewLabels(map[string]string{"app": name, "on": on})
	return policy.Pod{Namespace: "x", Name: name + "-" + on, Labels: labels}
}

// oneOf is number i of n policies on the server, and on the client.
func oneOf(n, i int) []policy.Policy {
	on := fmt.Sprint(n)
	port := uint16(1)
	if i == n-1 {
		port = 0 // of all that follow in the order of names
	}
	peer := func(app string) []policy.Peer {
		s := selecting("app", app)
		if port != 0 {
			s = selecting("app", fmt.Sprint("other", i))
		}
		return []policy.Peer{{Pods: &s}}
	}
	to := policy.Policy{Namespace: "x", Name: fmt.Sprintf("in-%s-%04d", on, i), IsolatesIngress: true}
	to.Pods = selecting("app", "server", "on", on)
	to.Ingress = []policy.Rule{{AllPorts: port == 0, Peers: peer("client"), Ports: numbered(port)}}
	from := policy.Policy{Namespace: "x", Name: fmt.Sprintf("out-%s-%04d", on, i), IsolatesEgress: true}
	from.Pods = selecting("app", "client", "on", on)
	from.Egress = []policy.Rule{{AllPorts: port == 0, Peers: peer("server"), Ports: numbered(port)}}
	return []policy.Policy{to, from}
}

func numbered(port uint16) []policy.Port {
	if port == 0 {
		return nil
	}
	return []policy.Port{{Protocol: policy.TCP, Number: port}}
}

// selecting selects by keys and values, in turns.
func selecting(pairs ...string) (s policy.Selector) {
	for i := 0; i < len(pairs); i += 2 {
		r := policy.Requirement{Key: pairs[i], Operator: policy.In, Values: []string{pairs[i+1]}}
		s.Requirements = append(s.Requirements, r)
	}
	return s
}

// bareNode takes warren's tables away and has connections tracked.
func bareNode(b *testing.B, n *pods.Node, netfilter bool) {
	b.Helper()
	err := n.Net.Do(func() error {
		namespace.Run(b, `nft add table inet other
nft add chain inet other forward { type filter hook forward priority 0; }
nft add rule inet other forward ct state established accept`)
		return n.Walls.RemoveTables(b.Context())
	})
	if err != nil {
		b.Fatal(err)
	}
	n.BridgeNetfilter(netfilter)
}

// comparePackets reports the processor time of a packet on each way, and what policies make of it.
func comparePackets(b *testing.B, ways map[string]way) {
	links := map[string]link{}
	for name, w := range ways {
		links[name] = w.link(b)
	}
	for b.Loop() {
		all := map[string][]float64{}
		for range rounds {
			for name, cost := range measureRound(b, links) {
				all[name] = append(all[name], cost)
			}
		}
		for name, costs := range all {
			b.Logf("%s: %.0f ns", name, costs)
			b.ReportMetric(median(costs), name+"-ns/packet")
		}
		b.ReportMetric(median(differences(all[open], all[routed])), "open-routed-ns/packet")
		b.ReportMetric(median(differences(all["1"], all[routed])), "1-routed-ns/packet")
		b.ReportMetric(median(ratios(all["1000"], all["1"])), "ratio-1000-to-1")
	}
	b.ReportMetric(0, "ns/op")
}

// measureRound sends batches over all links in turns and returns a packet's processor time of each, in nanoseconds. It
// is the first decile of the batches': what else the machine does makes packets dearer, never cheaper.
func measureRound(b *testing.B, links map[string]link) map[string]float64 {
	b.Helper()
	costs, result := map[string][]float64{}, map[string]float64{}
	for range batches {
		for name, l := range links { // in random order
			costs[name] = append(costs[name], l.batch(b))
		}
	}
	for name, of := range costs {
		result[name] = percentile(10, of)
	}
	return result
}

func differences(of, and []float64) (all []float64) {
	for i := range of {
		all = append(all, of[i]-and[i])
	}
	return all
}

func ratios(of, to []float64) (all []float64) {
	for i := range of {
		all = append(all, of[i]/to[i])
	}
	return all
}

const (
	// batches are of one round for each link, packets of one batch, and packetSize the payload of each, in bytes.
	batches    = 50
	packets    = 400
	packetSize = 200
)

// link is a connection of datagrams: two sockets.
type link struct {
	name           string
	client, server int
}

// link opens the connection.
func (w way) link(b *testing.B) link {
	b.Helper()
	to := netip.AddrPortFrom(w.server.Addrs[0], 5000)
	l := link{name: w.name}
	l.server = udp(b, w.server.Net, func() (net.Conn, error) {
		return net.ListenUDP("udp", net.UDPAddrFromAddrPort(to))
	})
	l.client = udp(b, w.client.Net, func() (net.Conn, error) {
		return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	})
	return l
}

// batch returns the processor time of one packet in nanoseconds.
func (l link) batch(b *testing.B) float64 {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.send(b, packets/10) // what the batches of other links have put out of the processor's caches
	begin := threadTime(b)
	l.send(b, packets)
	return float64((threadTime(b) - begin).Nanoseconds()) / packets
}

func (l link) send(b *testing.B, count int) {
	b.Helper()
	data := make([]byte, packetSize)
	for range count {
		if _, err := unix.Write(l.client, data); err != nil {
			b.Fatalf("%s: send: %v", l.name, err)
		}
		if _, err := unix.Read(l.server, data); err != nil {
			b.Fatalf("%s: a packet has not arrived: %v", l.name, err)
		}
	}
}

// udp makes a socket in a namespace that blocks for a second at most, and returns its descriptor.
func udp(b *testing.B, where *namespace.Net, open func() (net.Conn, error)) (fd int) {
	b.Helper()
	err := where.Do(func() error {
		c, err := open()
		if err != nil {
			return err
		}
		defer c.Close()
		raw, err := c.(syscall.Conn).SyscallConn()
		if err != nil {
			return err
		}
		var failed error
		err = raw.Control(func(of uintptr) { fd, failed = unix.Dup(int(of)) })
		return errors.Join(err, failed)
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(fd) })
	err = errors.Join(unix.SetNonblock(fd, false),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}))
	if err != nil {
		b.Fatal(err)
	}
	return fd
}

// threadTime is the processor time that the calling thread has taken, the kernel's softirqs on it included (but where
// it has CONFIG_IRQ_TIME_ACCOUNTING).
func threadTime(b *testing.B) time.Duration { return clock(b, unix.CLOCK_THREAD_CPUTIME_ID) }

func processTime(b *testing.B) time.Duration { return clock(b, unix.CLOCK_PROCESS_CPUTIME_ID) }

func clock(b *testing.B, id int32) time.Duration {
	b.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// compareStreams reports the throughput of a way to that of another, and the processor time for a byte likewise, of
// which less is better.
func compareStreams(b *testing.B, other, ours way) {
	for b.Loop() {
		var throughput, cost, mbits []float64
		for round := range rounds {
			var speed, price [2]float64
			for i := range 2 {
				which := (i + round) % 2 // each begins as often as the other
				speed[which], price[which] = []way{ours, other}[which].stream(b)
			}
			b.Logf("round %d: %.0f and %.0f Mbit/s, %.3f and %.3f ns/byte", round, speed[0], speed[1], price[0],
				price[1])
			if round > 0 {
				mbits = append(mbits, speed[0])
				throughput = append(throughput, speed[0]/speed[1])
				cost = append(cost, price[0]/price[1])
			}
		}
		b.ReportMetric(median(mbits), "Mbit/s")
		b.ReportMetric(median(throughput), strings.Join([]string{"ratio", ours.name, "to", other.name}, "-"))
		b.ReportMetric(median(cost), "ratio-cpu/byte")
	}
	b.ReportMetric(0, "ns/op")
}

// stream sends over one TCP connection for a while, and returns what arrived in Mbit/s and what it took in nanoseconds
// of both ends' processor time for a byte.
func (w way) stream(b *testing.B) (mbits, cost float64) {
	b.Helper()
	var listener net.Listener
	err := w.server.Net.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(w.server.Addrs[0], 0).String())
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	var client net.Conn
	err = w.client.Net.Do(func() (err error) {
		client, err = net.Dial("tcp", listener.Addr().String())
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	before, begin := processTime(b), time.Now()
	sent := make(chan error, 1)
	go func() { sent <- fill(client, begin.Add(streamTime)) }()
	n, err := drain(server)
	took, cpu := time.Since(begin), processTime(b)-before
	if failed := <-sent; err != nil || failed != nil {
		b.Fatalf("%s: %v, %v", w.name, err, failed)
	}
	return 8 * float64(n) / took.Seconds() / 1e6, float64(cpu.Nanoseconds()) / float64(n)
}

// accepting is a table of policies that decides nothing.
func accepting() nft.Layout { return nft.Layout{ID: walls.Policy, Comment: "nothing"} }
