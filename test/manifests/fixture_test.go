package manifests_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"warren.mesh/test/lab"
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
	absent  = "absent"  // is not there
)

var fixtureNodes = []string{own, other, fresh, bare, odd, stale, taken, busy, unowned}

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
	return map[string]string{
		publicKey: "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
		endpoint:  fmt.Sprintf("172.31.9.%d:51820,[fd00:9::%d]:51820", i, i),
		podCIDRs:  fmt.Sprintf("10.244.%d.0/24,fd00:10:244:%d::/64", i, i),
		nodeIPs:   fmt.Sprintf("172.31.9.%d,fd00:9::%d", i, i),
	}
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
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{name + "@sha256:" + strings.Repeat("0", 64), name + ":1"}, SizeBytes: 1e9})
	}
	for i := range 39 {
		volume := corev1.UniqueVolumeName(fmt.Sprintf("kubernetes.io/csi/example.com^%d", i))
		n.Status.VolumesInUse = append(n.Status.VolumesInUse, volume)
		n.Status.VolumesAttached = append(n.Status.VolumesAttached, corev1.AttachedVolume{Name: volume})
	}
	for i := range 30 {
		n.Status.Conditions = append(n.Status.Conditions, condition(corev1.NodeConditionType(fmt.Sprintf("Problem%d", i)), corev1.ConditionFalse))
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// fixture is Nodes and credentials, made before there are policies.
type fixture struct {
	*lab.Lab
	admin clientv1.CoreV1Interface
	// clients and their configurations, by name.
	clients map[string]rest.Interface
	configs map[string]*rest.Config
}

func newFixture(t *testing.T, l *lab.Lab) *fixture {
	t.Helper()
	f := &fixture{Lab: l, clients: map[string]rest.Interface{}, configs: map[string]*rest.Config{}}
	f.admin = f.client(t, "admin", l.Config())
	f.keepBare(t)
	inForce(t, l)
	for _, name := range fixtureNodes {
		f.createNode(t, name)
	}
	for _, name := range append(fixtureNodes, absent) {
		f.token(t, name, warren, f.pod(t, name, warren))
	}
	f.makeStranger(t)
	f.token(t, "unbound", warren, nil)
	f.token(t, "bound to the Node", warren, &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Node", Name: own, UID: f.node(t, own).UID})
	f.client(t, "kubelet", l.As(t, "system:node:"+own, "system:nodes"))
	f.client(t, "kubelet of bare", l.As(t, "system:node:"+bare, "system:nodes"))
	f.client(t, "kubelet of absent", l.As(t, "system:node:"+absent, "system:nodes"))
	return f
}

func (f *fixture) client(t *testing.T, name string, c *rest.Config) clientv1.CoreV1Interface {
	t.Helper()
	// The server warns of what is odd.
	c.WarningHandler = rest.NoWarnings{}
	client, err := clientv1.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	f.clients[name], f.configs[name] = client.RESTClient(), c
	return client
}

// pod is what a token is bound to. No kubelet starts it.
func (f *fixture) pod(t *testing.T, node string, account types.NamespacedName) *authenticationv1.BoundObjectReference {
	t.Helper()
	p, err := f.admin.Pods(account.Namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: account.Name + "-"},
		Spec:       corev1.PodSpec{NodeName: node, ServiceAccountName: account.Name, Containers: []corev1.Container{{Name: "x", Image: "x"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: p.Name, UID: p.UID}
}

// token makes a client with a token of the account, as a kubelet gets it for a pod.
func (f *fixture) token(t *testing.T, name string, account types.NamespacedName, bound *authenticationv1.BoundObjectReference) {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound}}
	answer, err := f.admin.ServiceAccounts(account.Namespace).CreateToken(t.Context(), account.Name, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.client(t, name, f.AsToken(answer.Status.Token))
}

// makeStranger makes an account that may do everything with Nodes and is not called warren; its token is of the Node own.
func (f *fixture) makeStranger(t *testing.T) {
	t.Helper()
	account := types.NamespacedName{Namespace: "default", Name: "tunnel"}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account.Name}}
	if _, err := f.admin.ServiceAccounts(account.Namespace).Create(t.Context(), sa, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	allowEverything(t, f.Lab, account)
	f.token(t, "stranger", account, f.pod(t, own, account))
}

// keepBare keeps the controllers from giving a pod CIDR to the Node that is to have none.
func (f *fixture) keepBare(t *testing.T) {
	t.Helper()
	f.Kubectl(t, `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: test-keep-bare}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [nodes]}
  validations:
  - expression: request.name != 'bare' || request.userInfo.username != 'system:kube-controller-manager'
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: test-keep-bare}
spec: {policyName: test-keep-bare, validationActions: [Deny]}
`, "create", "--filename=-")
}

func (f *fixture) node(t *testing.T, name string) *corev1.Node {
	t.Helper()
	n, err := f.admin.Nodes().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// createNode makes one of the fixture's Nodes, by the hands of those who do that in a cluster.
func (f *fixture) createNode(t *testing.T, name string) {
	t.Helper()
	n := kubeletNode(name)
	if name == stale {
		announce(n)
		unset(nodeIPs)(n)
		set(podCIDRs, "10.244.7.0/24")(n)
	}
	if _, err := f.admin.Nodes().Create(t.Context(), n, metav1.CreateOptions{FieldManager: "kubelet"}); err != nil {
		t.Fatal(err)
	}
	f.patch(t, name, types.ApplyPatchType, "gitops", object{"labels": object{"example.com/team": "net"}, "annotations": object{"example.com/owner": "net"}})
	switch name {
	case own, other:
		f.patch(t, name, types.ApplyPatchType, "warren", object{"annotations": prefixed(announcement(name))})
		f.patch(t, name, types.MergePatchType, "kubectl-annotate", object{"annotations": prefixed(map[string]string{force: "203.0.113.1:4500", keepalive: "25"})})
	case taken:
		f.patch(t, name, types.MergePatchType, "kubectl-annotate", object{"annotations": prefixed(announcement(name))})
		f.setNetworkMissing(t, name)
	case busy:
		f.patch(t, name, types.ApplyPatchType, "warren", object{"annotations": prefixed(announcement(name))})
		for i := range 12 {
			f.patch(t, name, types.MergePatchType, fmt.Sprintf("writer-%d", i), object{"labels": object{fmt.Sprintf("example.com/%d", i): "x"}})
		}
	case unowned:
		f.patch(t, name, types.MergePatchType, "x", object{"managedFields": []object{{}}})
	}
}

func prefixed(values map[string]string) object {
	o := object{}
	for field, value := range values {
		o["warren.mesh/"+field] = value
	}
	return o
}

func (f *fixture) patch(t *testing.T, name string, kind types.PatchType, manager string, metadata object) {
	t.Helper()
	body, err := json.Marshal(object{"apiVersion": "v1", "kind": "Node", "metadata": metadata})
	if err == nil {
		_, err = f.admin.Nodes().Patch(t.Context(), name, kind, body, metav1.PatchOptions{FieldManager: manager})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// setNetworkMissing writes what a cloud's controllers say of a Node at first.
func (f *fixture) setNetworkMissing(t *testing.T, name string) {
	t.Helper()
	n := f.node(t, name)
	networkMissing(n)
	if _, err := f.admin.Nodes().UpdateStatus(t.Context(), n, metav1.UpdateOptions{FieldManager: "cloud-controller-manager"}); err != nil {
		t.Fatal(err)
	}
}
