package manifests_test

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh"
)

// The Nodes of the fixture. Every request is a dry run, so that they stay what they are.
const (
	own     = "own"     // publishes, has overrides of an administrator, and is everything to the token called own
	other   = "other"   // the same, for another token
	fresh   = "fresh"   // publishes nothing yet
	bare    = "bare"    // has no pod CIDR either, and is not given any
	odd     = "odd"     // has addresses and pod CIDRs that are not in canonical text
	stale   = "stale"   // publishes what has become wrong
	taken   = "taken"   // has a NetworkUnavailable condition and annotations of warren that others own
	busy    = "busy"    // is large, and has so many writers that the API server joins the eldest when there is one more
	unowned = "unowned" // has no managedFields, which the API server makes up for at the first apply
	older   = "older"   // publishes what daemons did that knew no proof
	many    = "many"    // has as many InternalIPs as a daemon announces
	absent  = "absent"  // is not there
)

var fixtureNodes = []string{own, other, fresh, bare, odd, stale, taken, busy, unowned, older, many}

// number tells the fixture's Nodes apart in their addresses.
func number(name string) int {
	for i, n := range append(fixtureNodes, absent) {
		if n == name {
			return i + 100
		}
	}
	panic(name + " is not a Node of the fixture")
}

// announcement is what a Node's daemon publishes, by annotation.
func announcement(name string) map[string]string {
	i := number(name)
	ips := []string{fmt.Sprintf("172.31.9.%d", i), fmt.Sprintf("fd00:9::%d", i)}
	if name == many {
		ips = append(ips, manyIPs()...)
	}
	return map[string]string{
		publicKey: "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
		proof:     someProof,
		endpoint:  fmt.Sprintf("172.31.9.%d:51820,[fd00:9::%d]:51820", i, i),
		podCIDRs:  fmt.Sprintf("10.244.%d.0/24,fd00:10:244:%d::/64", i, i),
		nodeIPs:   strings.Join(ips, ","),
	}
}

// manyIPs are the further addresses of the Node many, of the longest text.
func manyIPs() (ips []string) {
	for i := range mesh.MaxNodeIPs - 2 {
		ips = append(ips, fmt.Sprintf("fd00:9999:9999:9999:9999:9999:9999:%x", 0x1000+i))
	}
	return ips
}

// kubeletNode is a Node as its kubelet and the controllers have made it.
func kubeletNode(name string) *corev1.Node {
	i := number(name)
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:        name,
		Labels:      map[string]string{"kubernetes.io/hostname": name, "example.com/zone": "a"},
		Annotations: map[string]string{"example.com/note": "somebody's"},
		Finalizers:  []string{"example.com/finalizer"},
	}}
	n.Spec.PodCIDRs = []string{fmt.Sprintf("10.244.%d.0/24", i), fmt.Sprintf("fd00:10:244:%d::/64", i)}
	n.Spec.Taints = []corev1.Taint{{Key: "example.com/taint", Effect: corev1.TaintEffectNoSchedule}}
	n.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeHostName, Address: name},
		internalIP(fmt.Sprintf("172.31.9.%d", i)),
		internalIP(fmt.Sprintf("fd00:9::%d", i)),
		{Type: corev1.NodeExternalIP, Address: fmt.Sprintf("203.0.113.%d", i)},
	}
	n.Status.Conditions = []corev1.NodeCondition{condition(corev1.NodeReady, corev1.ConditionTrue)}
	switch name {
	case bare:
		n.Spec.PodCIDRs = nil
	case busy:
		fatten(n)
	case many:
		for _, ip := range manyIPs() {
			n.Status.Addresses = append(n.Status.Addresses, internalIP(ip))
		}
	case odd:
		// The server takes both, from before there were rules.
		n.Spec.PodCIDRs[1] = fmt.Sprintf("FD00:10:244:%d:0::/64", i)
		n.Status.Addresses[2].Address = fmt.Sprintf("FD00:9:0::%d", i)
	}
	n.Spec.PodCIDR = first(n.Spec.PodCIDRs)
	return n
}

// fatten makes n a Node as large as they get: rules have a budget, and what cannot be decided is denied.
func fatten(n *corev1.Node) {
	for i := range 150 {
		n.Labels[fmt.Sprintf("feature.example.com/cpu-%d", i)] = "true"
		n.Annotations[fmt.Sprintf("feature.example.com/note-%d", i)] = strings.Repeat("x", 200)
	}
	for i := range 50 { // kubelet's --node-status-max-images
		name := fmt.Sprintf("registry.example.com/%s/image-%d", strings.Repeat("x", 100), i)
		n.Status.Images = append(n.Status.Images,
			corev1.ContainerImage{Names: []string{name + "@sha256:" + strings.Repeat("0", 64), name + ":1"},
				SizeBytes: 1e9})
	}
	for i := range 39 {
		volume := corev1.UniqueVolumeName(fmt.Sprintf("kubernetes.io/csi/example.com^%d", i))
		n.Status.VolumesInUse = append(n.Status.VolumesInUse, volume)
		n.Status.VolumesAttached = append(n.Status.VolumesAttached, corev1.AttachedVolume{Name: volume})
	}
	for i := range 30 {
		n.Status.Conditions = append(n.Status.Conditions,
			condition(corev1.NodeConditionType(fmt.Sprintf("Problem%d", i)), corev1.ConditionFalse))
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
