package e2e

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
)

// The ports that are knocked at: the new pod's, and others' by the new pod. What comes through a Service is for the
// port behind.
const (
	portOfNew    = 8086
	portOfOthers = 8087
)

// counting is a host's table that counts what arrives at the ports before anything else there sees it, and answers
// nothing.
const counting = `
table inet arrivals {
	counter datagrams { }
	counter syns { }
	counter service-datagrams { }
	counter service-syns { }
	chain prerouting {
		type filter hook prerouting priority raw
		udp dport { 8086, 8087 } counter name datagrams drop
		tcp dport { 8086, 8087 } counter name syns drop
		udp dport { 8096, 8097 } counter name service-datagrams drop
		tcp dport { 8096, 8097 } counter name service-syns drop
	}
}
`

// behindService is how much higher an endpoint's port is than its Service's.
const behindService = 10

// arrived are datagrams and TCP's first packets that have come, to addresses of pods and then through Services.
type arrived [4]int

// arrivals are what has come to a host since counting began there.
func arrivals(t *testing.T, at *host.Host) arrived {
	t.Helper()
	all := countersIn(t, at, "inet", "arrivals")
	return arrived{all["datagrams"], all["syns"], all["service-datagrams"], all["service-syns"]}
}

// front puts a Service before each of these addresses on all nodes until the test ends, as the stand-in for kube-proxy
// does, and returns the Services' addresses.
func (h *hosts) front(t *testing.T, endpoints ...netip.Addr) (services map[netip.Addr]netip.Addr) {
	t.Helper()
	rules := "table inet fronts { chain services { type nat hook prerouting priority dstnat; }; }\n"
	services = map[netip.Addr]netip.Addr{}
	for i, endpoint := range endpoints {
		ip := "ip"
		if endpoint.Is6() {
			ip = "ip6"
		}
		services[endpoint] = service{number: 50 + i}.clusterIP(sameFamily(h.ServiceCIDRs(), endpoint))
		for _, port := range []uint16{portOfNew, portOfOthers} {
			rules += fmt.Sprintf("add rule inet fronts services %s daddr %v meta l4proto { tcp, udp } th dport %d "+
				"dnat %[1]s to %[4]v\n", ip, services[endpoint], port, netip.AddrPortFrom(endpoint, port+behindService))
		}
	}
	for _, n := range h.Nodes() {
		n.MustExec(t, "nft", rules)
		t.Cleanup(func() {
			if _, err := n.Exec("nft", "delete", "table", "inet", "fronts"); err != nil {
				t.Error(err)
			}
		})
	}
	return services
}

// knocks are a datagram and a TCP SYN each millisecond, from before the sender has a network.
type knocks struct {
	what string
	// udp and syn are how many the kernel took.
	udp, syn atomic.Int64
}

// knock begins them; they end with the test.
func knock(t *testing.T, from *host.Host, to netip.AddrPort) *knocks {
	t.Helper()
	k := &knocks{what: fmt.Sprintf("%s → %v", from.Name, to)}
	var running sync.WaitGroup
	running.Go(func() {
		err := from.Do(func() error { return k.run(t.Context().Done(), to) })
		if err != nil {
			t.Errorf("%s: %v", k.what, err)
		}
	})
	t.Cleanup(running.Wait) // the test's context has ended by then
	return k
}

func (k *knocks) run(stop <-chan struct{}, to netip.AddrPort) error {
	family, address := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(to.Port()), Addr: addr4(to.Addr())})
	if to.Addr().Is6() {
		family, address = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	datagrams, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(datagrams) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		if unix.Sendto(datagrams, binary.BigEndian.AppendUint64(nil, uint64(k.udp.Load())), 0, address) == nil {
			k.udp.Add(1)
		}
		connection, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if unix.Connect(connection, address) == unix.EINPROGRESS {
			k.syn.Add(1)
		}
		_ = unix.Close(connection)
	}
}

func addr4(addr netip.Addr) (b [4]byte) {
	if addr.Is4() {
		b = addr.As4()
	}
	return b
}

// testFirstPackets attaches a pod that a policy isolates, and that sends and is sent to from before it has a network,
// over the node and between nodes, by addresses and through Services: not a packet arrives.
func testFirstPackets(t *testing.T, h *hosts) {
	forgetPolicies(t, h.Lab, h.one)
	others := []*host.Host{h.b.Host, h.near.Host}
	for _, other := range others {
		countArrivals(t, other)
	}
	t.Run("known before", func(t *testing.T) {
		pod := h.one.Schedule(t, lab.PodOptions{Name: "first"})
		h.isolate(t, pod)
		h.wantClosedFromTheFirst(t, pod, others, func([]*knocks) error { return pod.TryStart(t.Context()) })
	})
	t.Run("known late", func(t *testing.T) {
		pod, create := h.one.Unseen(t, lab.PodOptions{Name: "late"})
		h.isolate(t, pod)
		h.wantClosedFromTheFirst(t, pod, others, func(from []*knocks) error {
			attached := make(chan error, 1)
			go func() { attached <- pod.TryStart(t.Context()) }()
			passKnocks(t, from[:1], 500) // while ADD waits for the object
			create()
			return <-attached
		})
	})
	t.Run("made with its policy", func(t *testing.T) {
		pod, manifest := h.one.Manifest(t, lab.PodOptions{Name: "together"})
		h.wantClosedFromTheFirst(t, pod, others, func([]*knocks) error {
			h.Kubectl(t, isolating(pod, "Ingress, Egress")+"---\n"+manifest, "apply", "--filename=-")
			return pod.TryStart(t.Context())
		})
	})
}

// countArrivals begins counting on a host, until the test ends.
func countArrivals(t *testing.T, at *host.Host) {
	t.Helper()
	at.MustExec(t, "nft", counting)
	t.Cleanup(func() {
		if _, err := at.Exec("nft", "delete", "table", "inet", "arrivals"); err != nil {
			t.Error(err)
		}
	})
}

// isolate isolates a pod that has not started, and waits until its node knows.
func (h *hosts) isolate(t *testing.T, pod *lab.Pod) {
	t.Helper()
	policies := int(h.one.Metrics(t)["warren_network_policies"])
	h.Kubectl(t, isolating(pod, "Ingress, Egress"), "apply", "--filename=-")
	lab.Wait(t, patience, "the policy to be known", func() error {
		return want("policies", int(h.one.Metrics(t)["warren_network_policies"]), policies+1)
	})
}

// wantClosedFromTheFirst calls attach for a pod that has no network yet. Others knock at it, and it at them, from
// before that. Its policy is there already, or attach makes it. Nothing may arrive while the policy is there.
func (h *hosts) wantClosedFromTheFirst(
	t *testing.T, pod *lab.Pod, others []*host.Host, attach func([]*knocks) error,
) {
	t.Helper()
	addrs := h.nextAddrs(t)
	pod.Make(t)
	pod.MustExec(t, "nft", counting)
	all := h.knockAll(t, pod, addrs, others)
	before := totals(t, others)
	if err := attach(all); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(pod.Addrs()) != fmt.Sprint(addrs) {
		t.Fatalf("the pod has %v, want %v", pod.Addrs(), addrs)
	}
	passKnocks(t, all, 1000)
	inside := arrivals(t, pod.Host)
	if now := totals(t, others); now != before || inside != (arrived{}) {
		t.Errorf("%v arrived in the pod, and at others %v, where %v had before it had a network: want no more", inside,
			now, before)
	}
	t.Logf("%s sent", sent(all))

	h.Kubectl(t, "", "delete", "networkpolicy", pod.Object()+"-isolated")
	lab.Wait(t, patience, "the packets to arrive without the policy", func() error {
		inside, now := arrivals(t, pod.Host), totals(t, others)
		for i := range inside {
			if inside[i] == 0 || now[i] == before[i] {
				return fmt.Errorf("%v arrived in the pod, %v at others, %v before", inside, now, before)
			}
		}
		return nil
	})
	pod.Delete(t)
}

// knockAll has others knock at the pod, whose addresses will be addrs, and the pod at others, by their addresses and
// through Services.
func (h *hosts) knockAll(t *testing.T, pod *lab.Pod, addrs []netip.Addr, others []*host.Host) (all []*knocks) {
	t.Helper()
	endpoints := slices.Clone(addrs)
	for _, other := range others {
		endpoints = append(endpoints, other.Addrs()...)
	}
	services := h.front(t, endpoints...)
	for _, other := range others {
		for _, addr := range addrs {
			far := other.Addr(addr)
			all = append(all,
				knock(t, other, netip.AddrPortFrom(addr, portOfNew)),
				knock(t, other, netip.AddrPortFrom(services[addr], portOfNew)),
				knock(t, pod.Host, netip.AddrPortFrom(far, portOfOthers)),
				knock(t, pod.Host, netip.AddrPortFrom(services[far], portOfOthers)))
		}
	}
	return all
}

// totals are the arrivals at all of them.
func totals(t *testing.T, all []*host.Host) (sum arrived) {
	t.Helper()
	for _, at := range all {
		for i, n := range arrivals(t, at) {
			sum[i] += n
		}
	}
	return sum
}

// sent says how much was sent of all of them.
func sent(all []*knocks) string {
	var udp, syn int64
	for _, k := range all {
		udp, syn = udp+k.udp.Load(), syn+k.syn.Load()
	}
	return fmt.Sprintf("%d datagrams and %d SYNs", udp, syn)
}

// passKnocks waits until each has sent so many more.
func passKnocks(t *testing.T, all []*knocks, packets int) {
	t.Helper()
	var until [][2]int64
	for _, k := range all {
		until = append(until, [2]int64{k.udp.Load() + int64(packets), k.syn.Load() + int64(packets)})
	}
	for i, k := range all {
		lab.Wait(t, time.Minute, k.what, func() error {
			if udp, syn := k.udp.Load(), k.syn.Load(); udp < until[i][0] || syn < until[i][1] {
				return fmt.Errorf("%d datagrams and %d SYNs sent, want %v", udp, syn, until[i])
			}
			return nil
		})
	}
}

// nextAddrs are the addresses of the next pod of node1.
func (h *hosts) nextAddrs(t *testing.T) []netip.Addr {
	t.Helper()
	probe := startLowest(t, h.one, lab.PodOptions{Name: "probe"})
	addrs := probe.Addrs()
	probe.Delete(t)
	h.one.MustExec(t, "sh", "-c", "rm -f /run/warren/ipam/warren/last_reserved_ip.*")
	return addrs
}
