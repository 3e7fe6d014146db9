package e2e

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
)

// The ports that are knocked at: the new pod's, and others' by the new pod.
const (
	portOfNew    = 8086
	portOfOthers = 8087
)

// counting is a host's table that counts what arrives at the two ports before anything else there sees it, and answers
// nothing.
const counting = `
table inet arrivals {
	counter datagrams { }
	counter syns { }
	chain prerouting {
		type filter hook prerouting priority raw
		udp dport { 8086, 8087 } counter name datagrams drop
		tcp dport { 8086, 8087 } counter name syns drop
	}
}
`

// arrivals are what has come to a host since counting began there: datagrams and TCP's first packets.
func arrivals(t *testing.T, at *host.Host) (udp, syn int) {
	t.Helper()
	all := countersIn(t, at, "inet", "arrivals")
	return all["datagrams"], all["syns"]
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
// over the node and between nodes: not a packet arrives.
func testFirstPackets(t *testing.T, h *hosts) {
	forgetPolicies(t, h.Lab)
	others := []*host.Host{h.b.Host, h.near.Host}
	for _, other := range others {
		countArrivals(t, other)
	}
	t.Run("known before", func(t *testing.T) {
		pod := h.one.Schedule(t, lab.PodOptions{Name: "first"})
		h.wantClosedFromTheFirst(t, pod, others, func() {})
	})
	t.Run("known late", func(t *testing.T) {
		pod, create := h.one.Unseen(t, lab.PodOptions{Name: "late"})
		h.wantClosedFromTheFirst(t, pod, others, create)
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

// wantClosedFromTheFirst attaches the pod, which others and which knocks at the others; create is called while the
// runtime waits for it.
func (h *hosts) wantClosedFromTheFirst(t *testing.T, pod *lab.Pod, others []*host.Host, create func()) {
	addrs := h.nextAddrs(t)
	policies := int(h.one.Metrics(t)["warren_network_policies"])
	h.Kubectl(t, isolating(pod, "Ingress, Egress"), "apply", "--filename=-")
	lab.Wait(t, patience, "the policy to be known", func() error {
		return want("policies", int(h.one.Metrics(t)["warren_network_policies"]), policies+1)
	})
	pod.Make(t)
	pod.MustExec(t, "nft", counting)
	var all []*knocks
	for _, other := range others {
		for _, addr := range addrs {
			all = append(all, knock(t, other, netip.AddrPortFrom(addr, portOfNew)),
				knock(t, pod.Host, netip.AddrPortFrom(other.Addr(addr), portOfOthers)))
		}
	}
	before := totals(t, others)
	attached := make(chan error, 1)
	go func() { attached <- pod.TryStart(t.Context()) }()
	passKnocks(t, all[:1], 500) // while ADD may wait for the object
	create()
	if err := <-attached; err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(pod.Addrs()) != fmt.Sprint(addrs) {
		t.Fatalf("the pod has %v, want %v", pod.Addrs(), addrs)
	}
	passKnocks(t, all, 1000)
	inside := [2]int{}
	inside[0], inside[1] = arrivals(t, pod.Host)
	if now := totals(t, others); now != before || inside != [2]int{} {
		t.Errorf("%v arrived in the pod, and at others %v, where %v had before it had a network: want no more", inside,
			now, before)
	}
	var udp, syn int64
	for _, k := range all {
		udp, syn = udp+k.udp.Load(), syn+k.syn.Load()
	}
	t.Logf("%d datagrams and %d SYNs sent", udp, syn)

	h.Kubectl(t, "", "delete", "networkpolicy", pod.Object()+"-isolated")
	lab.Wait(t, patience, "the packets to arrive without the policy", func() error {
		udp, syn := arrivals(t, pod.Host)
		now := totals(t, others)
		if udp == 0 || syn == 0 || now[0] == before[0] || now[1] == before[1] {
			return fmt.Errorf("%d and %d arrived in the pod, %v at others, %v before", udp, syn, now, before)
		}
		return nil
	})
	pod.Delete(t)
}

// totals are the arrivals at all of them.
func totals(t *testing.T, all []*host.Host) (sum [2]int) {
	t.Helper()
	for _, at := range all {
		udp, syn := arrivals(t, at)
		sum[0], sum[1] = sum[0]+udp, sum[1]+syn
	}
	return sum
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
