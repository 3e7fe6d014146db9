package e2e

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/lab"
)

// forgetAfter is for how many seconds the router keeps the mapping of a flow in which nothing passes, and silence how
// many keepalives, one each second, have to come for such a mapping to be one that they keep.
const (
	forgetAfter = 3
	silence     = 2 * forgetAfter
)

// masqueraded has nodes join from behind a router that masquerades, one over each address family. Nobody sends to them
// first: neither after a silence in which the router forgets, nor after a reboot of the router.
func (s *scene) masqueraded(t *testing.T) {
	var pods []*lab.Pod
	var homes []*lab.Node
	for _, ips := range [][]netip.Addr{
		{netip.MustParseAddr("192.0.2.4"), netip.MustParseAddr("2001:db8:2::4")},
		{netip.MustParseAddr("2001:db8:2::5"), netip.MustParseAddr("192.0.2.5")},
	} {
		n := s.AddNode(t, lab.NodeOptions{Home: true, IPs: ips})
		n.Annotate(t, map[string]string{"warren.mesh/persistent-keepalive": "1"})
		n.StartDevice(t)
		n.StartDaemon(t)
		homes = append(homes, n)
	}
	s.ForgetAfter(t, forgetAfter)
	for _, n := range homes {
		n.WaitReady(t)
		pods = append(pods, n.AddPod(t, "a"))
	}
	s.WaitMeshed(t)
	for i, n := range homes {
		family := "ipv4"
		if n.Addrs()[0].Is6() {
			family = "ipv6"
		}
		t.Run(family, func(t *testing.T) { s.reached(t, n, pods[i]) })
	}
}

// reached asks from outside what is on a node at home, after a silence and after the router's reboot.
func (s *scene) reached(t *testing.T, home *lab.Node, pod *lab.Pod) {
	asker, router := s.Node(1), s.RouterIP(home.Addrs()[0])
	ask := func() {
		checkAll(t, []path{
			{from: s.pods[0].Host, to: pod.Host, target: pod.Addrs()[0], source: s.pods[0].Addrs()[0]},
			{from: s.pods[1].Host, to: home.Host, target: home.Addrs()[0], source: s.pods[1].Addr(home.Addrs()[0])},
		})
	}
	lab.Wait(t, time.Minute, "the router's address at "+asker.Name, func() error {
		at, err := endpoint(asker, home)
		if err == nil && at.Addr() != router {
			err = fmt.Errorf("%s sends to %s at %v, want %v", asker.Name, home.Name, at, router)
		}
		return err
	})
	before := received(t, asker, home)
	lab.Wait(t, time.Minute, "keepalives from inside", func() error {
		return want("bytes", received(t, asker, home)-before, silence*32)
	})
	ask()

	mapping, err := endpoint(asker, home)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	s.RebootRouter(t)
	lab.Wait(t, time.Minute, "another port of the router's", func() error {
		at, err := endpoint(asker, home)
		if err == nil && at == mapping {
			return fmt.Errorf("%s sends to %v still", asker.Name, at)
		}
		return err
	})
	t.Logf("another port %v after the router's reboot", time.Since(begin).Round(100*time.Millisecond))
	ask()
}

// received is how many bytes have come to the node's device from the peer.
func received(t *testing.T, n, peer *lab.Node) int {
	t.Helper()
	key := publicKey(t, peer)
	for line := range strings.Lines(n.MustExec(t, "wg", "show", "warren0", "transfer")) {
		if fields := strings.Fields(line); fields[0] == key {
			bytes, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return bytes
		}
	}
	t.Fatalf("%s has no peer %s", n.Name, peer.Name)
	return 0
}
