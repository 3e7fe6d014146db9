package manifests_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// request is one that changes no Node that is there.
type request struct {
	name, as, method, path string
	body                   *corev1.Node
	want                   verdict
}

const (
	notCreate verdict = "warren may update Nodes, not CREATE nodes"
	notDelete verdict = "warren may update Nodes, not DELETE nodes"
	notProxy  verdict = "warren may update Nodes, not CONNECT nodes/proxy"
)

func requests() []request {
	const nodes = "/api/v1/nodes"
	made := func(name string, changes ...change) *corev1.Node {
		n := kubeletNode(name)
		n.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
		n.Spec.PodCIDR, n.Spec.PodCIDRs, n.Spec.Taints = "", nil, nil
		all(changes...)(n)
		return n
	}
	noAddresses := func(n *corev1.Node) { n.Status.Addresses = nil } // An apply takes one of each type.
	podCIDR := func(n *corev1.Node) { n.Spec.PodCIDR = "10.244.77.0/24" }
	withPodCIDRs := func(n *corev1.Node) { n.Spec = kubeletNode(n.Name).Spec }
	return []request{
		{"create", absent, http.MethodPost, nodes, made(absent), notCreate},
		{"create by apply", absent, http.MethodPatch, nodes + "/" + absent, made(absent, noAddresses), notCreate},
		{"delete", own, http.MethodDelete, nodes + "/" + own, nil, notDelete},
		{"delete another", own, http.MethodDelete, nodes + "/" + other, nil, notDelete},
		{"delete all", own, http.MethodDelete, nodes, nil, notDelete},
		{"proxy", own, http.MethodGet, nodes + "/" + own + "/proxy/", nil, notProxy},
		{"exec by proxy", own, http.MethodPost, nodes + "/" + own + "/proxy/run/kube-system/pod/container", nil,
			notProxy},
		{"register", "kubelet of absent", http.MethodPost, nodes, made(absent), allowed},
		{"register with pod CIDR", "kubelet of absent", http.MethodPost, nodes, made(absent, podCIDR),
			podCIDRsByKubelet},
		{"register with pod CIDRs", "kubelet of absent", http.MethodPost, nodes, made(absent, withPodCIDRs),
			podCIDRsByKubelet},
		{"register with an override", "kubelet of absent", http.MethodPost, nodes,
			made(absent, set(force, "203.0.113.9:4500")), byKubelet},
		{"register with a key", "kubelet of absent", http.MethodPost, nodes, made(absent, newKey), byKubelet},
		{"create with an announcement", "admin", http.MethodPost, nodes, made(absent, withPodCIDRs, announce), allowed},
		{"create with an announcement", "stranger", http.MethodPost, nodes, made(absent, withPodCIDRs, announce),
			byAccount},
		{"create with half an announcement", "admin", http.MethodPost, nodes, made(absent, newKey), notTogether},
		{"create with a lie", "admin", http.MethodPost, nodes, made(absent, announce), badPodCIDRs},
	}
}

func (f *fixture) failure(ctx context.Context, r request, granted rights) error {
	q := f.clients[r.as].Verb(r.method).AbsPath(r.path)
	if r.want != notProxy { // for which there is no dry run, and here no kubelet
		q.Param("dryRun", "All")
	}
	if r.method == http.MethodPatch {
		q.SetHeader("Content-Type", string(types.ApplyPatchType)).Param("fieldManager", "warren").Param("force", "true")
	}
	if r.body != nil {
		body, err := json.Marshal(r.body)
		if err != nil {
			return err
		}
		q.Body(body)
	}
	err := q.Do(ctx).Error()
	switch {
	case granted == shipped && f.isWarren(r.as):
		err = wantDenied(err, " cannot ")
	case r.want != allowed:
		err = wantDenied(err, string(r.want))
	}
	if err != nil {
		return fmt.Errorf("%s by %s: %w", r.name, r.as, err)
	}
	return nil
}
