package kube

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh"
	"warren.mesh/mesh/kube/nodeobject"
)

// ownNode is a full Node as a kubelet and a controller-manager leave it.
func ownNode(edits ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "uid-a", ResourceVersion: "7",
			CreationTimestamp: metav1.NewTime(time.Unix(1_700_000_000, 0))},
		Spec: corev1.NodeSpec{PodCIDR: "10.244.1.0/24", PodCIDRs: []string{"10.244.1.0/24", "fd00:10:1::/64"}},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeExternalIP, Address: "203.0.113.9"},
				{Type: corev1.NodeInternalIP, Address: "192.0.2.10"},
				{Type: corev1.NodeHostName, Address: "a"},
				{Type: corev1.NodeInternalIP, Address: "2001:db8::10"},
			},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			Images:     []corev1.ContainerImage{{Names: []string{"registry.example/image"}, SizeBytes: 1 << 30}},
		},
	}
	for _, edit := range edits {
		edit(n)
	}
	return n
}

func condition(status corev1.ConditionStatus) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Status.Conditions = append(n.Status.Conditions,
			corev1.NodeCondition{Type: corev1.NodeNetworkUnavailable, Status: status})
	}
}

func addresses(ips ...string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Status.Addresses = nil
		for _, ip := range ips {
			n.Status.Addresses = append(n.Status.Addresses,
				corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
		}
	}
}

func podCIDRs(cidrs ...string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Spec.PodCIDRs = cidrs }
}

func TestSelf(t *testing.T) {
	whole := mesh.Self{
		Name: "a", UID: "uid-a", Created: time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC),
		PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24"), netip.MustParsePrefix("fd00:10:1::/64")},
		NodeIPs:  []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")},
	}
	but := func(edit func(*mesh.Self)) mesh.Self {
		self := whole
		edit(&self)
		return self
	}
	for _, test := range []struct {
		name string
		node *corev1.Node
		want mesh.Self
	}{
		{"a Node that has not published", ownNode(), whole},
		{"no pod CIDR yet", ownNode(podCIDRs()), but(func(s *mesh.Self) { s.PodCIDRs = nil })},
		{"no address yet", ownNode(addresses()), but(func(s *mesh.Self) { s.NodeIPs = nil })},
		{"network unavailable", ownNode(condition(corev1.ConditionTrue)),
			but(func(s *mesh.Self) { s.NetworkUnavailable = true })},
		{"network unknown", ownNode(condition(corev1.ConditionUnknown)), whole},
		{"network available", ownNode(condition(corev1.ConditionFalse)),
			but(func(s *mesh.Self) { s.NetworkAvailable = true })},
		{"network available, says the removal of an earlier warren", ownNode(condition(corev1.ConditionFalse),
			func(n *corev1.Node) { n.Status.Conditions[1].Reason = "WarrenIsRemoved" }), whole},
		{"a pod CIDR with host bits", ownNode(podCIDRs("10.244.1.5/24", "fd00:10:1::/64")), whole},
		{"an IPv4 address in IPv6 form", ownNode(addresses("::ffff:192.0.2.10", "2001:db8::10")), whole},
		{"published", ownNode(func(n *corev1.Node) {
			n.Annotations = map[string]string{"warren.mesh/public-key": "k", "warren.mesh/proof": "s",
				"warren.mesh/endpoint": "e", "warren.mesh/pod-cidrs": "p", "warren.mesh/node-ips": "i"}
		}), but(func(s *mesh.Self) {
			s.Published = mesh.Announcement{PublicKey: "k", Proof: "s", Endpoint: "e", PodCIDRs: "p", NodeIPs: "i"}
		})},
		{"one of two pod CIDRs unreadable", ownNode(podCIDRs("10.244.1.0/33", "fd00:10:1::/64")),
			but(func(s *mesh.Self) {
				s.PodCIDRs = s.PodCIDRs[1:]
				s.Malformed = []mesh.Problem{{Node: "a", Field: mesh.FieldPodCIDRs,
					Reason: `spec.podCIDRs "10.244.1.0/33" of the Node object cannot be read and is left out: ` +
						`correct the Node`}}
			})},
		{"addresses unreadable",
			ownNode(addresses("ip-10-0-0-1.internal", "192.0.2.10", "fe80::1%eth0", "2001:db8::10")),
			but(func(s *mesh.Self) {
				s.Malformed = []mesh.Problem{
					{Node: "a", Field: mesh.FieldNodeIPs,
						Reason: `InternalIP of status.addresses "ip-10-0-0-1.internal" of the Node object cannot ` +
							`be read and is left out: correct the Node`},
					{Node: "a", Field: mesh.FieldNodeIPs,
						Reason: `InternalIP of status.addresses "fe80::1%eth0" of the Node object cannot be read ` +
							`and is left out: correct the Node`},
				}
			})},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := nodeobject.SummarizeOwn(test.node)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, nodeobject.ParseOwn(s), byValue); diff != "" {
				t.Errorf("self (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOwnPokes tells which changes of the full Node poke: what Self reports, and nothing else.
func TestOwnPokes(t *testing.T) {
	var pokes int
	m := newMirror(nodeobject.SummarizeOwn, nodeobject.ParseOwn, func() { pokes++ })
	if err := m.Replace([]any{ownNode()}, "1"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name  string
		node  *corev1.Node
		pokes int
	}{
		{"a heartbeat", ownNode(func(n *corev1.Node) {
			n.ResourceVersion = "8"
			n.Status.Conditions[0].LastHeartbeatTime = metav1.NewTime(time.Unix(1_700_000_300, 0))
		}), 0},
		{"images, labels, taints", ownNode(func(n *corev1.Node) {
			n.Status.Images = nil
			n.Labels = map[string]string{"x": "y"}
			n.Spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/not-ready", Effect: corev1.TaintEffectNoSchedule}}
		}), 0},
		{"another condition", ownNode(func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionFalse }),
			0},
		{"the network condition", ownNode(condition(corev1.ConditionFalse)), 1},
		{"an address", ownNode(addresses("192.0.2.11")), 1},
		{"one more address", ownNode(addresses("192.0.2.11", "192.0.2.12")), 1},
		{"the pod CIDR", ownNode(podCIDRs("10.244.9.0/24")), 1},
		{"the UID", ownNode(func(n *corev1.Node) { n.UID = "uid-b" }), 1},
	} {
		pokes = 0
		if err := m.Update(step.node); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if pokes != step.pokes {
			t.Errorf("%s: %d pokes, want %d", step.name, pokes, step.pokes)
		}
	}
	if _, err := nodeobject.SummarizeOwn(object("a", "1", "1")); err == nil {
		t.Error("metadata was taken for a full Node")
	}
}
