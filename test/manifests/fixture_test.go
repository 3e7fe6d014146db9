package manifests_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"warren.mesh/test/lab"
)

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
	f.createEvent(t)
	for _, name := range append(fixtureNodes, absent) {
		f.token(t, name, warren, f.pod(t, name, warren))
	}
	f.makeAccount(t, "stranger", "tunnel")
	f.makeAccount(t, "named", "forwarder")
	f.mayOverride(t, other, types.NamespacedName{Namespace: "default", Name: "forwarder"})
	f.token(t, "unbound", warren, nil)
	f.token(t, "bound to the Node", warren, &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Node",
		Name: own, UID: f.node(t, own).UID})
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
		Spec: corev1.PodSpec{NodeName: node, ServiceAccountName: account.Name,
			Containers: []corev1.Container{{Name: "x", Image: "x"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: p.Name, UID: p.UID}
}

// token makes a client with a token of the account, as a kubelet gets it for a pod.
func (f *fixture) token(t *testing.T, name string, account types.NamespacedName,
	bound *authenticationv1.BoundObjectReference) {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound}}
	answer, err := f.admin.ServiceAccounts(account.Namespace).CreateToken(t.Context(), account.Name, request,
		metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.client(t, name, f.AsToken(answer.Status.Token))
}

// makeAccount makes an account that may do everything with Nodes and is not called warren, and a client with a token of
// it; the token is of the Node own.
func (f *fixture) makeAccount(t *testing.T, client, name string) {
	t.Helper()
	account := types.NamespacedName{Namespace: "default", Name: name}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account.Name}}
	if _, err := f.admin.ServiceAccounts(account.Namespace).Create(t.Context(), sa,
		metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	allowEverything(t, f.Lab, account)
	f.token(t, client, account, f.pod(t, own, account))
}

// mayOverride names an account as README tells, for one Node.
func (f *fixture) mayOverride(t *testing.T, node string, account types.NamespacedName) {
	t.Helper()
	f.Kubectl(t, fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-override}
rules:
- {apiGroups: [warren.mesh], resources: [nodes], resourceNames: [%s], verbs: [override]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-override}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-override}
subjects: [{kind: ServiceAccount, namespace: %s, name: %s}]
`, node, account.Namespace, account.Name), "create", "--filename=-")
	right := authorization.ResourceAttributes{Group: "warren.mesh", Resource: "nodes", Name: node, Verb: "override"}
	lab.Wait(t, patience, "the right to override for "+account.String(), func() error {
		ok, err := may(t, f.Lab, account, right)
		if err == nil && !ok {
			err = errors.New("not yet")
		}
		return err
	})
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
	f.patch(t, name, types.ApplyPatchType, "gitops",
		object{"labels": object{"example.com/team": "net"}, "annotations": object{"example.com/owner": "net"}})
	switch name {
	case own, other:
		f.patch(t, name, types.ApplyPatchType, "warren", object{"annotations": prefixed(announcement(name))})
		f.patch(t, name, types.MergePatchType, "kubectl-annotate",
			object{"annotations": prefixed(map[string]string{force: "203.0.113.1:4500", keepalive: "25"})})
	case taken:
		f.patch(t, name, types.MergePatchType, "kubectl-annotate", object{"annotations": prefixed(announcement(name))})
		f.setNetworkMissing(t, name)
	case busy:
		f.patch(t, name, types.ApplyPatchType, "warren", object{"annotations": prefixed(announcement(name))})
		for i := range 12 {
			f.patch(t, name, types.MergePatchType, fmt.Sprintf("writer-%d", i),
				object{"labels": object{fmt.Sprintf("example.com/%d", i): "x"}})
		}
	case older:
		says := announcement(name)
		delete(says, proof)
		f.patch(t, name, types.ApplyPatchType, "warren", object{"annotations": prefixed(says)})
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
	if _, err := f.admin.Nodes().UpdateStatus(t.Context(), n,
		metav1.UpdateOptions{FieldManager: "cloud-controller-manager"}); err != nil {
		t.Fatal(err)
	}
}
