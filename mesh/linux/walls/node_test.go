package walls

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/test/lab/namespace"
)

// node is a node of a cluster: a namespace with the bridge, pods in namespaces of their own, and a remote machine with
// the addresses of pods of another node and of the outside. The calling goroutine stays in the node's.
type node struct {
	*Walls
	t *testing.T
	// ns are the namespaces by name: "node", pods, "remote".
	ns map[string]*namespace.Net
	in policy.Input
}

// pod is where a pod of the tests is.
type pod struct {
	namespace, name, app string
	number               byte
}

var (
	podA = pod{"x", "a", "a", 2}
	podB = pod{"x", "b", "db", 3}
	podC = pod{"y", "c", "c", 4}
	podD = pod{"y", "d", "d", 5}
	podE = pod{"y", "e", "e", 6}
)

func (p pod) v4() netip.Addr { return netip.AddrFrom4([4]byte{10, 244, 1, p.number}) }
func (p pod) v6() netip.Addr { return addr(fmt.Sprintf("fd00:10:244:1::%x", p.number)) }
func (p pod) mac() [6]byte   { return [6]byte{2, 0, 0, 0, 1, p.number} }
func (p pod) veth() string   { return "veth" + p.name }
func (p pod) port() ports.Port {
	return ports.Port{Interface: p.veth(), MAC: p.mac(), Addrs: []netip.Addr{p.v4(), p.v6()}}
}

var (
	gateway4, gateway6 = addr("10.244.1.1"), addr("fd00:10:244:1::1")
	// remote4 and remote6 are a pod of another node.
	remote4, remote6 = addr("10.244.2.2"), addr("fd00:10:244:2::2")
)

// newNode has the pods attached, and the tables of in in force once the caller syncs. netfilter turns br_netfilter's
// hooks on.
func newNode(t *testing.T, netfilter bool, pods ...pod) *node {
	t.Helper()
	meshtest.Privileged(t)
	n := &node{t: t, ns: map[string]*namespace.Net{"node": namespace.Enter(t), "remote": namespace.New(t)}}
	namespace.OneCPU(t)
	namespace.Quiet(t)
	n.Walls = reopen(t)
	n.bridgeNetfilter(netfilter)
	n.quiet("remote") // before its interface comes
	namespace.Run(t, `ip link add warren-br0 address 02:00:00:00:00:01 type bridge
ip link set warren-br0 up
ip address add 10.244.1.1/24 dev warren-br0
ip address add fd00:10:244:1::1/64 dev warren-br0 nodad
ip link add eth0 type veth peer name eth0 netns `+n.ns["remote"].Path()+`
ip link set eth0 up
ip address add 10.99.0.1/24 dev eth0
ip address add fd00:99::1/64 dev eth0 nodad
ip route add 10.244.0.0/16 via 10.99.0.2
ip route add 198.51.100.0/24 via 10.99.0.2
ip route add fd00:10:244::/48 via fd00:99::2`)
	n.run("remote", `ip link set eth0 up
ip address add 10.99.0.2/24 dev eth0
ip address add fd00:99::2/64 dev eth0 nodad
ip address add 10.244.2.2/32 dev lo
ip address add 10.244.2.3/32 dev lo
ip address add 198.51.100.5/32 dev lo
ip address add 198.51.100.200/32 dev lo
ip address add fd00:10:244:2::2/128 dev lo nodad
ip route add 10.244.1.0/24 via 10.99.0.1 src 10.244.2.2
ip route add 10.96.0.0/16 via 10.99.0.1
ip route add fd00:10:244:1::/64 via fd00:99::1 src fd00:10:244:2::2`)
	for _, p := range pods {
		n.attach(p)
	}
	return n
}

// quiet turns off what delays packets in a namespace.
func (n *node) quiet(where string) {
	n.t.Helper()
	err := n.ns[where].Do(func() error {
		namespace.Quiet(n.t)
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// bridgeNetfilter turns br_netfilter's hooks on or off.
func (n *node) bridgeNetfilter(on bool) {
	n.t.Helper()
	value := "0"
	if on {
		value = "1"
	}
	for _, file := range []string{"iptables", "ip6tables"} {
		if err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-"+file, []byte(value), 0o644); err != nil {
			n.t.Fatal(err)
		}
	}
}

// run runs commands in a namespace of the node.
func (n *node) run(where, commands string) {
	n.t.Helper()
	err := n.ns[where].Do(func() error {
		namespace.Run(n.t, commands)
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// attach makes the pod, of which the tables know nothing before know and the next sync.
func (n *node) attach(p pod) {
	n.t.Helper()
	n.attachTo(bridge, p)
}

func (n *node) attachTo(bridge string, p pod) {
	n.t.Helper()
	n.ns[p.name] = namespace.New(n.t)
	n.quiet(p.name)
	n.ns["node"].Command(n.t, "ip", "link", "add", p.veth(), "type", "veth", "peer", "name", "eth0", "netns",
		n.ns[p.name].Path())
	n.run(p.name, fmt.Sprintf(`sysctl -q net.ipv6.conf.all.forwarding=0
ip link set eth0 address %s
ip link set eth0 up
ip address add %v/24 dev eth0
ip address add %v/64 dev eth0 nodad
ip route add default via 10.244.1.1
ip route add default via fd00:10:244:1::1`, net.HardwareAddr(macSlice(p)), p.v4(), p.v6()))
	n.ns["node"].Command(n.t, "ip", "link", "set", p.veth(), "up", "master", bridge)
	// As the configuration of the CNI plugin has it.
	n.ns["node"].Command(n.t, "ip", "link", "set", p.veth(), "type", "bridge_slave", "hairpin", "on")
	// The bridge hears of a port's carrier up to a second later.
	for deadline := time.Now().Add(10 * time.Second); ; {
		shown := n.ns["node"].Command(n.t, "ip", "-d", "link", "show", "dev", p.veth())
		if strings.Contains(shown, "state forwarding") {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("port %s does not forward: %s", p.veth(), shown)
		}
	}
}

func macSlice(p pod) []byte {
	mac := p.mac()
	return mac[:]
}

// know puts the pods into the tables' input.
func (n *node) know(pods ...pod) {
	for _, p := range pods {
		n.in.Attached = append(n.in.Attached, policy.Attached{
			Namespace: p.namespace, Name: p.name, UID: p.name, Addrs: p.port().Addrs,
		})
		n.in.Pods = append(n.in.Pods, policy.Pod{
			Namespace: p.namespace, Name: p.name, UID: p.name, Node: "n1",
			Labels: policy.NewLabels(map[string]string{"app": p.app}),
			Ports:  []policy.NamedPort{{Name: "metrics", Protocol: policy.TCP, Number: 9100}},
		})
	}
}

// sync makes the tables as the input has them.
func (n *node) sync() {
	n.t.Helper()
	state, problems := policy.Compile(n.in)
	if len(problems) > 0 {
		n.t.Fatalf("%v", problems)
	}
	n.make(state.Table)
}

// make makes the tables: this one of policies, and the one of the attached pods' ports.
func (n *node) make(table nft.Layout) {
	n.t.Helper()
	b, err := n.Bridge()
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.SyncTables(n.t.Context(), ports.Layout(b, n.attached()), table); err != nil {
		n.t.Fatal(err)
	}
}

// attached returns the ports of the input's pods.
func (n *node) attached() (all []ports.Port) {
	for _, p := range []pod{podA, podB, podC, podD, podE} {
		for _, a := range n.in.Attached {
			if a.Name == p.name {
				all = append(all, p.port())
			}
		}
	}
	return all
}

// serve answers on a port of all protocols with what it was asked, in a namespace, until the test ends.
func (n *node) serve(where string, numbers ...uint16) {
	n.t.Helper()
	for _, number := range numbers {
		err := n.ns[where].Do(func() error {
			l, err := net.Listen("tcp", fmt.Sprintf(":%d", number))
			if err != nil {
				return err
			}
			n.t.Cleanup(func() { _ = l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go echo(c)
				}
			}()
			u, err := net.ListenPacket("udp", fmt.Sprintf(":%d", number))
			if err != nil {
				return err
			}
			n.t.Cleanup(func() { _ = u.Close() })
			go func() {
				buffer := make([]byte, 10_000)
				for {
					size, from, err := u.ReadFrom(buffer)
					if err != nil {
						return
					}
					_, _ = u.WriteTo(buffer[:size], from)
				}
			}()
			return nil
		})
		if err != nil {
			n.t.Fatal(err)
		}
	}
}

func echo(c net.Conn) {
	defer func() { _ = c.Close() }()
	buffer := make([]byte, 100)
	for {
		size, err := c.Read(buffer)
		if err != nil {
			return
		}
		_, _ = c.Write(buffer[:size])
	}
}

// patience returns how long to wait for an outcome. Silence is not told from a slow answer.
func patience(want string) time.Duration {
	if want == silent {
		return 700 * time.Millisecond
	}
	return 10 * time.Second
}

// The outcomes of ask.
const (
	answered = "answered"
	refused  = "refused"
	silent   = "silent"
)

// ask opens a connection to one of the addresses, from the source if it is valid, and says something.
func (n *node) ask(t try, to netip.Addr) string {
	c, err := n.dial(t, to)
	if err != nil {
		return outcome(err)
	}
	defer func() { _ = c.Close() }()
	return say(c, t.want, max(1, t.size))
}

func (n *node) dial(t try, to netip.Addr) (c net.Conn, err error) {
	return c, n.ns[t.from].Do(func() (err error) {
		dialer := net.Dialer{Timeout: patience(t.want)}
		switch {
		case t.source.IsValid() && t.network == "tcp":
			dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.source, 0))
		case t.source.IsValid():
			dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(t.source, 0))
		}
		c, err = dialer.Dial(t.network, netip.AddrPortFrom(to, t.port).String())
		return err
	})
}

// local returns the link-local address of a MAC, on the link that the namespace has with this node's pods.
func (n *node) local(where string, mac [6]byte) netip.Addr {
	n.t.Helper()
	link := "eth0"
	if where == "node" {
		link = bridge
	}
	// A number, because the net package remembers names beyond the namespace.
	number, _, _ := strings.Cut(n.ns[where].Command(n.t, "ip", "-o", "link", "show", "dev", link), ":")
	ip := addr(fmt.Sprintf("fe80::%x:%xff:fe%02x:%x", uint16(mac[0]^2)<<8|uint16(mac[1]), mac[2], mac[3],
		uint16(mac[4])<<8|uint16(mac[5])))
	return ip.WithZone(number)
}

// say asks once on a connection, with so many bytes.
func say(c net.Conn, want string, size int) string {
	_ = c.SetDeadline(time.Now().Add(patience(want)))
	if _, err := c.Write(make([]byte, size)); err != nil {
		return outcome(err)
	}
	if _, err := c.Read(make([]byte, 10)); err != nil {
		return outcome(err)
	}
	return answered
}

func outcome(err error) string {
	switch {
	case isErrno(err, unix.ECONNREFUSED):
		return refused
	case os.IsTimeout(err):
		return silent
	default:
		return err.Error()
	}
}
