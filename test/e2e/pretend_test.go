package e2e

import (
	"crypto/sha256"
	"encoding/base64"
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

	"warren.mesh/mesh"
	"warren.mesh/test/lab"
)

// pretended is a Node that no machine stands behind: an administrator writes what its daemon would, true or not.
type pretended struct {
	name string
	// podCIDRs are spec.podCIDRs and ips the InternalIPs, whatever is announced.
	podCIDRs, ips []string
	announcement  mesh.Announcement
	overrides     mesh.Overrides
}

// pretend is a sound one, in conflict with no node of another number (0 to 2047).
func pretend(name string, number int) pretended {
	v4 := netip.AddrFrom4([4]byte{100, 64, byte(number >> 8), byte(number)})
	v6 := netip.MustParseAddr(fmt.Sprintf("fd00:64::%x:1", number))
	cidrs := []string{
		fmt.Sprintf("10.244.%d.%d/28", 128+number/16, number%16*16), fmt.Sprintf("fd00:10:244:%x::/64", 0x8000+number),
	}
	key := sha256.Sum256(fmt.Append(nil, "pretended ", number))
	return pretended{name: name, podCIDRs: cidrs, ips: []string{v4.String(), v6.String()},
		announcement: mesh.Announcement{
			PublicKey: base64.StdEncoding.EncodeToString(key[:]),
			Endpoint:  fmt.Sprintf("%v:51820,[%v]:51820", v4, v6),
			PodCIDRs:  strings.Join(cidrs, ","),
			NodeIPs:   fmt.Sprintf("%v,%v", v4, v6),
		}}
}

// annotations leaves out what is empty.
func (p pretended) annotations() map[string]string {
	all := map[string]string{}
	for name, value := range map[mesh.Field]string{
		mesh.FieldPublicKey: p.announcement.PublicKey, mesh.FieldEndpoint: p.announcement.Endpoint,
		mesh.FieldPodCIDRs: p.announcement.PodCIDRs, mesh.FieldNodeIPs: p.announcement.NodeIPs,
		mesh.FieldForceEndpoint: p.overrides.ForceEndpoint, mesh.FieldKeepalive: p.overrides.Keepalive,
	} {
		if value != "" {
			all["warren.mesh/"+string(name)] = value
		}
	}
	return all
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

// register creates the Nodes, several at a time.
func register(t *testing.T, l *lab.Lab, nodes ...pretended) {
	t.Helper()
	each(t, nodes, func(p pretended) error {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: p.name, Annotations: p.annotations()}}
		node.Spec.PodCIDR, node.Spec.PodCIDRs = p.podCIDRs[0], p.podCIDRs
		for _, ip := range p.ips {
			node.Status.Addresses = append(node.Status.Addresses,
				corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
		}
		_, err := l.Core().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
		return err
	})
}

// announce writes the annotations of a Node that is registered.
func announce(t *testing.T, l *lab.Lab, p pretended) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": p.annotations()}})
	if err == nil {
		_, err = l.Core().Nodes().Patch(t.Context(), p.name, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
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
