package e2e

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/packet"
	"warren.mesh/test/lab/traffic"
)

// Of two nodes that want the same, the one that had it keeps it, on every node alike.
func TestPrivilegedConflicts(t *testing.T) {
	meshtest.Privileged(t)
	s := newScene(t, lab.Options{Family: lab.Dual, NoPolicies: true})
	t.Run("announced", s.conflictsAnnounced)
	t.Run("an address of two nodes", s.sharedAddress)
	t.Run("nine addresses", s.nineAddresses)
	t.Run("an elder with another's key and no proof", s.stolenKey)
	t.Run("a running node with another's key", s.clonedNode)
	t.Run("a running node with another's pod CIDRs", s.overlappingNode)
	// The last one: the claimant stays, because one more loss within five minutes would be a mass removal.
	t.Run("an address outside the node CIDRs", s.foreignAddress)
}

// moving are addresses that nodes of these tests have beside their own.
var moving = []netip.Addr{
	netip.MustParseAddr("172.31.9.61"), netip.MustParseAddr("172.31.9.62"), netip.MustParseAddr("172.31.9.63"),
	netip.MustParseAddr("172.31.9.64"), netip.MustParseAddr("172.31.9.65"), netip.MustParseAddr("172.31.9.66"),
	netip.MustParseAddr("172.31.9.67"), netip.MustParseAddr("172.31.9.68"),
}

// sharedAddress moves an address from the eldest node to the youngest, while the eldest's object goes on listing it:
// the youngest loses nothing else meanwhile, and has the address when the eldest's object lists it no more.
func (s *scene) sharedAddress(t *testing.T) {
	flows := s.crossing(t)
	elder, younger := s.eldestAndYoungest(t)
	ofElder, ofYounger := elder.Addrs(), younger.Addrs()
	elder.SetIPs(t, append(slices.Clone(ofElder), moving[0])...)
	waitViews(t, s.Nodes())
	younger.SetIPs(t, append(slices.Clone(ofYounger), moving[0])...)
	waitAllProblems(t, s.Nodes(), younger.Name+" node-ips")
	pass(t, flows, watched)

	elder.SetIPs(t, ofElder...)
	waitAllProblems(t, s.Nodes())
	waitViews(t, s.Nodes())
	s.askInside(t, younger, moving[0])
	younger.SetIPs(t, ofYounger...)
	waitViews(t, s.Nodes())
	wantNoLoss(t, flows)
}

// eldestAndYoungest are those of the mesh as its nodes see it: by creation, then UID.
func (s *scene) eldestAndYoungest(t *testing.T) (eldest, youngest *lab.Node) {
	t.Helper()
	nodes := s.Nodes()
	slices.SortFunc(nodes, func(a, b *lab.Node) int {
		x, y := a.Object(t), b.Object(t)
		return cmp.Or(x.CreationTimestamp.Compare(y.CreationTimestamp.Time), cmp.Compare(x.UID, y.UID))
	})
	return nodes[0], nodes[len(nodes)-1]
}

// nineAddresses has pods ask node3 at the last of its addresses.
func (s *scene) nineAddresses(t *testing.T) {
	three := s.Node(3)
	before := three.Addrs()
	three.SetIPs(t, append(slices.Clone(before), moving...)...)
	waitViews(t, s.Nodes())
	s.askInside(t, three, moving[len(moving)-1])
	three.SetIPs(t, before...)
	waitViews(t, s.Nodes())
}

// foreignAddress has a node claim the addresses of a host outside: the pods of a node that knows its node CIDRs reach
// that host as before, and not through the mesh.
func (s *scene) foreignAddress(t *testing.T) {
	n := s.Node(1)
	n.StopDaemon(t)
	n.StartDaemon(t, "--node-cidrs=172.31.9.0/24,fd00:9::/64")
	n.WaitReady(t)
	claimant := pretend("claimant", 0)
	claimant.ips = []string{"172.31.9.70"}
	for _, addr := range s.Outside.Addrs() {
		claimant.ips = append(claimant.ips, addr.String())
	}
	claimant.announcement.NodeIPs = strings.Join(claimant.ips, ",")
	claimant.announcement.Endpoint = "172.31.9.70:51820"
	register(t, s.Lab, claimant)
	waitProblems(t, n, slices.Repeat([]string{"claimant node-ips"}, len(s.Outside.Addrs()))...)
	waitProgrammed(t, n, len(s.Nodes()))
	for _, p := range s.egress() {
		if strings.HasPrefix(p.from.Name, n.Name+"/") {
			p.check(t)
		}
	}
}

// askInside has the pods of other nodes ask n at one of its addresses, and wants it to see their own, and nothing from
// or to that address on the underlay.
func (s *scene) askInside(t *testing.T, n *lab.Node, at netip.Addr) {
	t.Helper()
	const plain capture.Kind = "in plain text"
	watch := s.WatchBy(t, func(_ string, h packet.Header) capture.Kind {
		if (h.Source == at || h.Destination == at) && (h.Protocol == packet.UDP || h.Protocol == packet.TCP) {
			return plain
		}
		return kindElse
	})
	for _, pod := range s.pods {
		if pod.Node == n {
			continue
		}
		for range 10 {
			to := netip.AddrPortFrom(at, n.Echo(at).Port())
			own, seen, err := ask(t.Context(), pod.Host, "udp", to)
			if err != nil || own != seen {
				t.Errorf("%s asked %v from %v, seen as %v: %v", pod.Name, to, own, seen, err)
			}
		}
	}
	if r := watch.Stop(); r.Packets[plain] > 0 {
		t.Errorf("%d packets to or from %v in plain text: %v", r.Packets[plain], at, r.Samples[plain])
	}
}

// conflictsAnnounced registers a node for each thing that only one may have, and wants all nodes to leave them out.
func (s *scene) conflictsAnnounced(t *testing.T) {
	flows := s.crossing(t)
	before := s.devicePeers(t)
	one, two := s.Node(1), s.Node(2)
	v4, v6 := one.PodCIDRs(t)[0], two.PodCIDRs(t)[1]
	var nodes []pretended
	var wrong []string
	for _, c := range []struct {
		name, field string
		want        func(*pretended)
	}{
		{"key", "proof", func(p *pretended) { p.announcement.PublicKey = publicKey(t, one) }},
		{"pod-cidr", "pod-cidrs", func(p *pretended) { p.announcement.PodCIDRs = v4.String() }},
		{"pod-cidr6", "pod-cidrs", func(p *pretended) { p.announcement.PodCIDRs = v6.String() }},
		{"inner", "pod-cidrs", func(p *pretended) { p.announcement.PodCIDRs = v4.Addr().String() + "/28" }},
		{"outer", "pod-cidrs", func(p *pretended) { p.announcement.PodCIDRs = "10.244.0.0/20" }},
		{"endpoint-of-pod", "endpoint", func(p *pretended) {
			p.announcement.Endpoint = "[" +
				s.pods[0].Addrs()[1].String() + "]:51820"
		}},
	} {
		p := pretend("same-"+c.name, len(nodes))
		c.want(&p)
		nodes, wrong = append(nodes, p), append(wrong, p.name+" "+c.field)
	}
	register(t, s.Lab, nodes...)
	for _, n := range s.Nodes() {
		waitProblems(t, n, wrong...)
		wantPeers(t, n, before, devicePeers(t, n))
	}
	pass(t, flows, watched)
	wantNoLoss(t, flows)
	unregister(t, s.Lab, nodes...)
	waitViews(t, s.Nodes())
}

// stolenKey has Nodes that are older than a running one announce that one's key, in every way that needs no private
// key. A token of each would be enough for that.
func (s *scene) stolenKey(t *testing.T) {
	var thieves, silent []pretended
	var wrong []string
	for i, name := range []string{"copies", "changes", "signs", "says-nothing"} {
		thief := pretend("thief-"+name, i)
		thieves, wrong = append(thieves, thief), append(wrong, thief.name+" proof")
		thief.announcement = mesh.Announcement{}
		silent = append(silent, thief)
	}
	register(t, s.Lab, silent...)
	owner := s.AddNode(t, lab.NodeOptions{})
	owner.StartDevice(t)
	owner.StartDaemon(t)
	owner.WaitReady(t)
	waitViews(t, s.Nodes())
	flows := s.FlowsAmong(t, traffic.Options{}, owner.AddPod(t, "a").Host, s.pods[0].Host)
	flows.WaitEstablished(t)
	before := s.devicePeers(t)

	said := owner.Object(t).Annotations["warren.mesh/proof"]
	for i, proof := range []string{said, "z" + said[1:], proven, ""} {
		thieves[i].announcement.PublicKey, thieves[i].announcement.Proof = publicKey(t, owner), proof
		announce(t, s.Lab, thieves[i])
	}
	waitAllProblems(t, s.Nodes(), wrong...)
	for _, n := range s.Nodes() {
		wantPeers(t, n, before, devicePeers(t, n))
	}
	pass(t, flows, watched)
	wantNoLoss(t, flows)
	unregister(t, s.Lab, thieves...)
	waitAllProblems(t, s.Nodes())
	owner.Remove(t)
	waitViews(t, s.Nodes())
}

// clonedNode starts a machine from a copy of node1's disk, key included. It gets a key of its own, and node1 never
// notices.
func (s *scene) clonedNode(t *testing.T) {
	flows := s.crossing(t)
	clone := s.AddNode(t, lab.NodeOptions{})
	const file = "/var/lib/warren/private.key"
	key := strings.TrimSpace(s.Node(1).MustExec(t, "cat", file))
	clone.MustExec(t, "sh", "-c", "umask 077; echo "+key+" >"+file)
	clone.StartDevice(t)
	clone.StartDaemon(t)
	clone.WaitReady(t)
	waitViews(t, s.Nodes())
	waitAllProblems(t, s.Nodes())
	if publicKey(t, clone) == publicKey(t, s.Node(1)) {
		t.Error("the clone has node1's key")
	}
	aside := clone.MustExec(t, "sh", "-c", "cat "+file+".cloned-* && stat -c %a "+file+".cloned-*")
	if aside != key+"\n600\n" {
		t.Error("what was set aside is not node1's key, or not of mode 0600")
	}
	if got := clone.Metrics(t)["warren_key_replacements_total"]; got != 1 {
		t.Errorf("the key was replaced %v times", got)
	}
	own := s.FlowsAmong(t, traffic.Options{}, clone.AddPod(t, "a").Host, s.pods[0].Host)
	own.WaitEstablished(t)
	pass(t, append(flows, own...), watched)
	wantNoLoss(t, flows)
	clone.Remove(t)
	waitViews(t, s.Nodes())
}

// overlappingNode starts a node whose Node object has pod CIDRs of node2's, and pods in them.
func (s *scene) overlappingNode(t *testing.T) {
	members := s.Nodes()
	flows := s.crossing(t)
	late := s.AddNode(t, lab.NodeOptions{PodCIDRs: s.Node(2).PodCIDRs(t)})
	late.StartDevice(t)
	late.StartDaemon(t)
	waitAllProblems(t, s.Nodes(), late.Name+" pod-cidrs")
	waitViews(t, members, late)
	var lost traffic.Flows
	pod := late.AddPod(t, "a")
	for _, own := range pod.Addrs() {
		o := traffic.Options{IPv6: own.Is6()}
		lost = append(lost, s.Flow(t, pod.Host, s.pods[0].Host, o), s.Flow(t, pod.Host, members[0].Host, o))
	}
	wantNothing(t, lost)
	pass(t, flows, watched)
	wantNoLoss(t, flows)
	late.Remove(t)
	waitViews(t, s.Nodes())
}
