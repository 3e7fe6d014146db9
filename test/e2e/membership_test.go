package e2e

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// watched is how many packets each flow sends after a change has come through everywhere: half a second.
const watched = 100

// newcomer is a fourth node, to which everything happens that can happen to a node. The other three have nothing to do
// with it and must not notice.
type newcomer struct {
	*lab.Node
	scene *scene
	// others are the three, bystanders a pod of each.
	others     []*lab.Node
	bystanders []*lab.Pod
	// a and b are its pods.
	a, b *lab.Pod
}

func TestPrivilegedMembership(t *testing.T) {
	meshtest.Privileged(t)
	s := newScene(t, lab.Options{Family: lab.Dual})
	flows := s.crossing(t)
	n := &newcomer{scene: s, others: s.Nodes(), bystanders: []*lab.Pod{s.pods[0], s.pods[2], s.pods[4]}}
	for _, event := range []struct {
		name   string
		happen func(*newcomer, *testing.T)
	}{
		{"a node joins", (*newcomer).join},
		{"its addresses change", (*newcomer).move},
		{"its key is replaced", (*newcomer).replaceKey},
		{"its object is deleted and made anew", (*newcomer).recreate},
		{"it is deleted", (*newcomer).remove},
	} {
		t.Run(event.name, func(t *testing.T) {
			begin := time.Now()
			event.happen(n, t)
			pass(t, flows, watched)
			t.Logf("took %v", time.Since(begin).Round(time.Millisecond))
		})
	}
	wantNoLoss(t, flows)
}

func (n *newcomer) join(t *testing.T) {
	n.Node = n.scene.AddNode(t, lab.NodeOptions{})
	n.StartDevice(t)
	n.StartDaemon(t)
	n.WaitReady(t)
	n.waitMember(t)
	n.a, n.b = n.AddPod(t, "a"), n.AddPod(t, "b")
	n.check(t)
}

// move changes the node's addresses, as a new lease would. Its connections to the API server are left hanging.
func (n *newcomer) move(t *testing.T) {
	n.SetIPs(t, netip.MustParseAddr("172.31.9.44"), netip.MustParseAddr("fd00:9::44"))
	n.waitMember(t)
	n.check(t)
}

// replaceKey does as README tells an administrator whose key is compromised.
func (n *newcomer) replaceKey(t *testing.T) {
	before := publicKey(t, n.Node)
	n.MustExec(t, "rm", "/var/lib/warren/private.key")
	n.StopDaemon(t)
	n.StopDevice(t)
	n.StartDevice(t)
	n.StartDaemon(t)
	n.WaitReady(t)
	if after := publicKey(t, n.Node); after == before {
		t.Errorf("the device has key %s still", before)
	}
	n.waitMember(t)
	n.check(t)
}

// recreate deletes the Node object, makes sure that nothing changes on the node while it is missing, and makes another
// one of the same name with other pod CIDRs.
func (n *newcomer) recreate(t *testing.T) {
	inside := n.scene.FlowsAmong(t, traffic.Options{}, n.a.Host, n.b.Host)
	inside.WaitEstablished(t)
	before, uid := snapshot(t, n.Node), n.Object(t).UID
	n.DeleteObject(t)
	waitViews(t, n.others)
	waitWaiting(t, n.Node, "own Node")
	if diff := cmp.Diff(before, snapshot(t, n.Node)); diff != "" {
		t.Errorf("%s has changed while its object is missing (-before +after):\n%s", n.Name, diff)
	}
	wantNoLoss(t, inside)

	n.CreateObject(t, netip.MustParsePrefix("10.244.200.0/24"), netip.MustParsePrefix("fd00:10:244:c8::/64"))
	if n.Object(t).UID == uid {
		t.Error("the new object has the old UID")
	}
	n.WaitReady(t)
	n.waitMember(t)
	n.wantReaddressed(t)
	n.wantStraysContained(t)
	n.a, n.b = n.AddPod(t, "c"), n.AddPod(t, "d")
	n.check(t)
}

func (n *newcomer) remove(t *testing.T) {
	n.Remove(t)
	waitViews(t, n.others)
}

// waitMember waits until the newcomer and the others hold each other as they are now, and nothing of earlier times.
func (n *newcomer) waitMember(t *testing.T) {
	t.Helper()
	waitViews(t, append(slices.Clone(n.others), n.Node))
}

// check tries the ways between the newcomer's pods and addresses and those of all others.
func (n *newcomer) check(t *testing.T) {
	t.Helper()
	var all []path
	for _, own := range n.a.Addrs() {
		for i, other := range n.others {
			pod := n.bystanders[i]
			all = append(all,
				path{from: n.a.Host, to: pod.Host, target: pod.Addr(own), source: own},
				path{from: pod.Host, to: n.a.Host, target: own, source: pod.Addr(own)},
				path{from: n.b.Host, to: other.Host, target: other.Addr(own), source: n.b.Addr(own)},
				path{from: pod.Host, to: n.Host, target: n.Addr(own), source: pod.Addr(own)},
				path{from: other.Host, to: n.a.Host, target: own, source: other.Gateway(t, own)})
		}
	}
	checkAll(t, all)
}

// wantReaddressed wants the gateways of the present pod CIDRs on the device and the bridge, and in the CNI
// configuration.
func (n *newcomer) wantReaddressed(t *testing.T) {
	t.Helper()
	var device, bridge []string
	for _, cidr := range n.PodCIDRs(t) {
		gateway := cidr.Addr().Next()
		device = append(device, netip.PrefixFrom(gateway, gateway.BitLen()).String())
		bridge = append(bridge, netip.PrefixFrom(gateway, cidr.Bits()).String())
		if conflist := n.MustExec(t, "cat", "/etc/cni/net.d/10-warren.conflist"); !strings.Contains(conflist,
			cidr.String()) {
			t.Errorf("the CNI configuration lacks %v:\n%s", cidr, conflist)
		}
	}
	for name, want := range map[string][]string{"warren0": device, "warren-br0": bridge} {
		if diff := cmp.Diff(want, addresses(t, n.Node, name)); diff != "" {
			t.Errorf("addresses of %s (-want +got):\n%s", name, diff)
		}
	}
}

// addresses are an interface's, IPv4 first, without those that the kernel makes by itself.
func addresses(t *testing.T, n *lab.Node, device string) []string {
	t.Helper()
	var all []string
	for _, field := range strings.Fields(n.MustExec(t, "ip", "-br", "address", "show", "dev", device))[2:] {
		if p, err := netip.ParsePrefix(field); err == nil && !p.Addr().IsLinkLocalUnicast() {
			all = append(all, p.String())
		}
	}
	return all
}

// wantStraysContained wants the pods of the earlier pod CIDRs to be reported, and nothing from or to them to arrive.
func (n *newcomer) wantStraysContained(t *testing.T) {
	t.Helper()
	strays := append(n.a.Addrs(), n.b.Addrs()...)
	lab.Wait(t, patience, "stray pods in the metrics", func() error {
		return want("stray pods", int(n.Metrics(t)["warren_stray_pods"]), len(strays))
	})
	for _, addr := range strays {
		if !strings.Contains(n.Log(), "pods have addresses outside this node's pod CIDRs") ||
			!strings.Contains(n.Log(), addr.String()) {
			t.Errorf("the log does not name the stray pod %v", addr)
		}
	}
	n.wantNoWay(t)
}

// wantNoWay sends from a stray pod to all others' pods and addresses, and back.
func (n *newcomer) wantNoWay(t *testing.T) {
	t.Helper()
	var flows traffic.Flows
	for i, other := range n.others {
		for _, own := range n.a.Addrs() {
			o := traffic.Options{IPv6: own.Is6()}
			flows = append(flows, n.scene.Flow(t, n.a.Host, n.bystanders[i].Host, o),
				n.scene.Flow(t, n.a.Host, other.Host, o),
				n.scene.Flow(t, n.bystanders[i].Host, n.a.Host, o))
			if _, err := other.Dial(t.Context(), "udp", n.a.Echo(own).String()); !errors.Is(err, unix.EHOSTUNREACH) {
				t.Errorf("%s → %s: error %v, want that there is no way", other.Name, n.a.Name, err)
			}
		}
	}
	wantNothing(t, flows)
}

// wantNothing stops the flows after a while and wants nothing to have arrived. That none leaves in plain text either,
// the scene's capture sees to.
func wantNothing(t *testing.T, flows traffic.Flows) {
	t.Helper()
	pass(t, flows, watched)
	for _, r := range flows.Stop() {
		if r.Received > 0 {
			t.Errorf("there is a way that should not be: %v", r)
		}
	}
}
