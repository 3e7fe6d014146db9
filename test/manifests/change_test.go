package manifests_test

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// change is what a request does to a Node.
type change func(*corev1.Node)

// all makes several changes one.
func all(changes ...change) change {
	return func(n *corev1.Node) {
		for _, c := range changes {
			c(n)
		}
	}
}

// The annotations, without their prefix.
const (
	publicKey = "public-key"
	proof     = "proof"
	endpoint  = "endpoint"
	podCIDRs  = "pod-cidrs"
	nodeIPs   = "node-ips"
	force     = "force-endpoint"
	keepalive = "persistent-keepalive"
)

var published = []string{publicKey, proof, endpoint, podCIDRs, nodeIPs}

func set(field, value string) change {
	return func(n *corev1.Node) { n.Annotations["warren.mesh/"+field] = value }
}

func unset(fields ...string) change {
	return func(n *corev1.Node) {
		for _, field := range fields {
			delete(n.Annotations, "warren.mesh/"+field)
		}
	}
}

// announce sets all five, as they are right for the Node.
func announce(n *corev1.Node) {
	for field, value := range announcement(n.Name) {
		set(field, value)(n)
	}
}

// newKey is a change that a daemon makes when its key was replaced.
var newKey = all(set(publicKey, "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="), set(proof, anotherProof))

// someProof and anotherProof look like proofs. Whether they prove anything, no policy can tell.
var someProof, anotherProof = strings.Repeat("q+/9", 21) + "zQ==", strings.Repeat("Wz0", 28) + "Ag=="

func annotation(n *corev1.Node)       { n.Annotations["example.com/note"] = "another" }
func removeAnnotation(n *corev1.Node) { delete(n.Annotations, "example.com/note") }
func label(n *corev1.Node)            { n.Labels["example.com/zone"] = "another" }
func addLabel(n *corev1.Node)         { n.Labels["example.com/new"] = "yes" }
func removeLabel(n *corev1.Node)      { delete(n.Labels, "example.com/zone") }
func finalizer(n *corev1.Node)        { n.Finalizers = append(n.Finalizers, "example.com/another") }
func removeFinalizers(n *corev1.Node) { n.Finalizers = nil }
func taint(n *corev1.Node) {
	n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "new", Effect: "NoExecute"})
}
func removeTaints(n *corev1.Node) { n.Spec.Taints = nil }
func cordon(n *corev1.Node)       { n.Spec.Unschedulable = true }
func providerID(n *corev1.Node)   { n.Spec.ProviderID = "example://1" }
func choosePodCIDR(n *corev1.Node) {
	n.Spec.PodCIDR, n.Spec.PodCIDRs = "10.244.77.0/24", []string{"10.244.77.0/24"}
}
func capacity(n *corev1.Node) {
	n.Status.Capacity = corev1.ResourceList{"pods": resource.MustParse("7")}
	n.Status.Allocatable = n.Status.Capacity
}
func kernel(n *corev1.Node) { n.Status.NodeInfo.KernelVersion = "6.18" }
func image(n *corev1.Node) {
	n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{"x"}})
}
func removeConditions(n *corev1.Node) { n.Status.Conditions = nil }
func notReady(n *corev1.Node)         { n.Status.Conditions[0].Status = corev1.ConditionFalse }
func heartbeat(n *corev1.Node) {
	n.Status.Conditions[0].LastHeartbeatTime = metav1.Unix(2e9, 0).Rfc3339Copy()
}
func pressure(n *corev1.Node) {
	n.Status.Conditions = append(n.Status.Conditions, condition("DiskPressure", "True"))
}
func networkAvailable(n *corev1.Node) { setNetworkUnavailable(n, corev1.ConditionFalse) }
func networkMissing(n *corev1.Node)   { setNetworkUnavailable(n, corev1.ConditionTrue) }
func address(n *corev1.Node)          { n.Status.Addresses[1].Address = "172.31.9.99" }
func addAddress(n *corev1.Node) {
	n.Status.Addresses = append(n.Status.Addresses,
		corev1.NodeAddress{Type: corev1.NodeExternalDNS, Address: "a.example.com"})
}

func owner(n *corev1.Node) {
	n.OwnerReferences = append(n.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "Node", Name: "x",
		UID: "x"})
}

func setNetworkUnavailable(n *corev1.Node, status corev1.ConditionStatus) {
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == corev1.NodeNetworkUnavailable {
			n.Status.Conditions[i] = condition(corev1.NodeNetworkUnavailable, status)
			return
		}
	}
	n.Status.Conditions = append(n.Status.Conditions, condition(corev1.NodeNetworkUnavailable, status))
}

func condition(kind corev1.NodeConditionType, status corev1.ConditionStatus) corev1.NodeCondition {
	now := metav1.Unix(1.9e9, 0)
	return corev1.NodeCondition{Type: kind, Status: status, Reason: "Said", Message: "by " + string(status),
		LastHeartbeatTime: now, LastTransitionTime: now}
}

func internalIP(ip string) corev1.NodeAddress {
	return corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip}
}

// forge changes the entry of a field manager, which is made where there is none.
func forge(manager string, operation metav1.ManagedFieldsOperationType, fields string) change {
	return func(n *corev1.Node) {
		entry := metav1.ManagedFieldsEntry{
			Manager: manager, Operation: operation, APIVersion: "v1", FieldsType: "FieldsV1",
			Time: new(metav1.Unix(1.8e9, 0)), FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)},
		}
		for i, m := range n.ManagedFields {
			if m.Manager == manager && m.Operation == operation && m.Subresource == "" {
				n.ManagedFields[i] = entry
				return
			}
		}
		n.ManagedFields = append(n.ManagedFields, entry)
	}
}

// disown removes the entries of a field manager; forgetOwners all of them, in the API server's own way to say that.
func disown(manager string) change {
	return func(n *corev1.Node) {
		var kept []metav1.ManagedFieldsEntry
		for _, m := range n.ManagedFields {
			if m.Manager != manager {
				kept = append(kept, m)
			}
		}
		n.ManagedFields = kept
	}
}

func forgetOwners(n *corev1.Node) { n.ManagedFields = []metav1.ManagedFieldsEntry{{}} }
