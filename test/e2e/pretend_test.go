package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// pretended is a Node that no machine stands behind: an administrator writes what its daemon would, true or not.
type pretended struct {
	name string
	// podCIDRs are spec.podCIDRs and ips the InternalIPs, whatever is announced.
	podCIDRs, ips []string
	// key is its own: an announcement whose Proof is proven gets a proof of it.
	key          keys.Private
	announcement mesh.Announcement
	overrides    mesh.Overrides
}

// proven stands for the proof that the Node with its UID has its own key.
const proven = "(proven)"

// pretend is a sound one, in conflict with no node of another number (0 to 8191).
func pretend(name string, number int) pretended {
	v4 := netip.AddrFrom4([4]byte{100, 64, byte(number >> 8), byte(number)})
	v6 := netip.MustParseAddr(fmt.Sprintf("fd00:64::%x:1", number))
	cidrs := []string{
		fmt.Sprintf("10.244.%d.%d/30", 128+number/64, number%64*4), fmt.Sprintf("fd00:10:244:%x::/64", 0x8000+number),
	}
	key := meshtest.Key(fmt.Sprint("pretended ", number))
	return pretended{name: name, podCIDRs: cidrs, ips: []string{v4.String(), v6.String()}, key: key,
		announcement: mesh.Announcement{
			PublicKey: key.Public().String(),
			Proof:     proven,
			Endpoint:  fmt.Sprintf("%v:51820,[%v]:51820", v4, v6),
			PodCIDRs:  strings.Join(cidrs, ","),
			NodeIPs:   fmt.Sprintf("%v,%v", v4, v6),
		}}
}

// annotations returns those of the Node with that UID. It leaves out what is empty.
func (p pretended) annotations(uid types.UID) (map[string]string, error) {
	all := map[string]string{}
	if p.announcement.Proof == proven {
		proof, err := p.key.Prove(string(uid))
		if err != nil {
			return nil, err
		}
		p.announcement.Proof = proof.String()
	}
	for name, value := range map[mesh.Field]string{
		mesh.FieldPublicKey: p.announcement.PublicKey, mesh.FieldProof: p.announcement.Proof,
		mesh.FieldEndpoint: p.announcement.Endpoint,
		mesh.FieldPodCIDRs: p.announcement.PodCIDRs, mesh.FieldNodeIPs: p.announcement.NodeIPs,
		mesh.FieldForceEndpoint: p.overrides.ForceEndpoint, mesh.FieldKeepalive: p.overrides.Keepalive,
	} {
		if value != "" {
			all["warren.mesh/"+string(name)] = value
		}
	}
	return all, nil
}

// withoutPolicies takes the API server's own judgement of annotations out of the way: that of the daemons is to be
// seen.
func withoutPolicies(t *testing.T, l *lab.Lab) {
	t.Helper()
	l.Kubectl(t, "", "delete", "validatingadmissionpolicybindings", "--all")
	unfit := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "unfit",
		Annotations: map[string]string{"warren.mesh/public-key": "key"}}}
	lab.Wait(t, time.Minute, "the API server to accept any annotation", func() error {
		_, err := l.Core().Nodes().Create(t.Context(), unfit, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	})
}

// register creates the Nodes, several at a time, and announces what they say: a proof needs the Node's UID.
func register(t *testing.T, l *lab.Lab, nodes ...pretended) {
	t.Helper()
	each(t, nodes, func(p pretended) error {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: p.name}}
		node.Spec.PodCIDR, node.Spec.PodCIDRs = p.podCIDRs[0], p.podCIDRs
		for _, ip := range p.ips {
			node.Status.Addresses = append(node.Status.Addresses,
				corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
		}
		created, err := l.Core().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		return annotate(t, l, created.UID, p)
	})
}

// announce writes the annotations of a Node that is registered.
func announce(t *testing.T, l *lab.Lab, p pretended) {
	t.Helper()
	node, err := l.Core().Nodes().Get(t.Context(), p.name, metav1.GetOptions{})
	if err == nil {
		err = annotate(t, l, node.UID, p)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// annotate writes the annotations of the Node with that UID, if there are any.
func annotate(t *testing.T, l *lab.Lab, uid types.UID, p pretended) error {
	annotations, err := p.annotations(uid)
	if err != nil || len(annotations) == 0 {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return err
	}
	_, err = l.Core().Nodes().Patch(t.Context(), p.name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// unregister deletes the Nodes, several at a time.
func unregister(t *testing.T, l *lab.Lab, nodes ...pretended) {
	t.Helper()
	each(t, nodes, func(p pretended) error {
		return l.Core().Nodes().Delete(t.Context(), p.name,
			metav1.DeleteOptions{})
	})
}

// atOnce is how many requests are under way at a time.
const atOnce = 16

// each calls do for each node, several at a time.
func each(t *testing.T, nodes []pretended, do func(pretended) error) {
	t.Helper()
	errs := make([]error, len(nodes))
	turns := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, p := range nodes {
		turns <- struct{}{}
		all.Go(func() {
			errs[i] = do(p)
			<-turns
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
