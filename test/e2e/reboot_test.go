package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/tb"
)

// opened isolates a pod both ways, but for the ports that are behind Services elsewhere: 8096 of its own, 8097 of
// others. Arrivals there have counters of their own.
const opened = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: %[1]s-opened}
spec:
  podSelector: {matchLabels: {pod: %[1]s}}
  policyTypes: [Ingress, Egress]
  ingress:
  - ports: [{port: 8096, protocol: TCP}, {port: 8096, protocol: UDP}]
  egress:
  - ports: [{port: 8097, protocol: TCP}, {port: 8097, protocol: UDP}]
`

// rebooted is a node with a pod that a policy isolates, the same before and after the node's reboot. After it, that pod
// is the first one.
type rebooted struct {
	*lab.Lab
	node *lab.Node
	// far is a pod of another node.
	far *lab.Pod
	// addrs are the next two pods' after the reboot, in both families.
	addrs [2][]netip.Addr
}

var isolatedPod = lab.PodOptions{Name: "isolated"}

// isolate attaches the pod and brings its policy into force, before the reboot. After it, no daemon can list policies.
func (r *rebooted) isolate(t *testing.T) {
	t.Helper()
	pod := r.node.StartPod(t, isolatedPod)
	apply(t, r.Lab, r.node, fmt.Sprintf(opened, pod.Object()))
	for _, own := range r.far.Addrs() {
		first := r.node.Gateway(t, own).Next()
		r.addrs[0], r.addrs[1] = append(r.addrs[0], first), append(r.addrs[1], first.Next())
	}
	r.letRead(t, "networkpolicies", "nothing")
}

// wantClosedFromTheFirst starts the API server, for which the daemon waits. No pod is attached before policies can be
// read; then the isolated one is, as soon as the node lets it. A pod of another node and, later, a new one of the same
// node knock at it, and it at them, from before they have a network: what the policy refuses does not arrive, and the
// rest does.
func (r *rebooted) wantClosedFromTheFirst(t *testing.T) {
	pod := r.made(t, isolatedPod)
	countArrivals(t, r.far.Host)
	all := r.knockBoth(t, pod.Host, r.far.Host, r.far.Addrs())
	r.StartAPI(t)
	r.WaitMeshed(t)
	waitWaiting(t, r.node, "networkpolicies")
	wantNoPod(t, r.node, "the mesh is programmed, the policies are not known")
	r.waitAttachable(t)
	r.start(t, pod, r.addrs[0])
	wantProgrammed(t, r.node)

	near := r.made(t, lab.PodOptions{Name: "near"})
	all = append(all, r.knockBoth(t, pod.Host, near.Host, r.addrs[1])...)
	r.start(t, near, r.addrs[1])
	passKnocks(t, all, 500)
	t.Logf("%s sent", sent(all))
	for _, at := range []*host.Host{pod.Host, r.far.Host, near.Host} {
		wantOpenedOnly(t, at)
	}
}

// made returns a pod of the node that has no network yet, where arrivals are counted.
func (r *rebooted) made(t *testing.T, o lab.PodOptions) *lab.Pod {
	t.Helper()
	pod := r.node.Schedule(t, o)
	pod.Make(t)
	pod.MustExec(t, "nft", counting)
	return pod
}

// start attaches a pod, which must get these addresses: they are knocked at.
func (r *rebooted) start(t *testing.T, pod *lab.Pod, addrs []netip.Addr) {
	t.Helper()
	if err := pod.TryStart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(pod.Addrs()) != fmt.Sprint(addrs) {
		t.Fatalf("%s has %v, want %v", pod.Name, pod.Addrs(), addrs)
	}
}

// waitAttachable lets the daemons read policies, and returns when there is a CNI configuration. The tables of policies
// must be there by then.
func (r *rebooted) waitAttachable(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), tb.Bound(time.Minute))
	defer cancel()
	tables := make(chan error, 1)
	go func() {
		_, err := r.node.ExecContext(ctx, "sh", "-c", "until test -e /etc/cni/net.d/10-warren.conflist; do "+
			"sleep 0.005; done; nft list table inet warren-policy && nft list table bridge warren")
		tables <- err
	}()
	begin := time.Now()
	r.letRead(t, "nothing", "networkpolicies")
	if err := <-tables; err != nil {
		t.Errorf("the tables of policies when a pod can be attached: %v", err)
	}
	t.Logf("a pod can be attached %v after policies can be read", time.Since(begin).Round(time.Millisecond))
}

// letRead replaces the resource of the rule by which warren's account reads policies.
func (r *rebooted) letRead(t *testing.T, before, now string) {
	t.Helper()
	r.Kubectl(t, "", "patch", "clusterrole", "warren", "--type=json", fmt.Sprintf(`--patch=[
		{"op": "test", "path": "/rules/4/resources", "value": [%q]},
		{"op": "replace", "path": "/rules/4/resources", "value": [%q]}]`, before, now))
}

// knockBoth has the isolated pod and another, whose addresses are or will be these, knock at each other, at ports that
// the policy refuses and at those that it does not.
func (r *rebooted) knockBoth(t *testing.T, pod, other *host.Host, addrs []netip.Addr) (all []*knocks) {
	t.Helper()
	for _, more := range []uint16{0, behindService} {
		for i, own := range r.addrs[0] {
			all = append(all, knock(t, other, netip.AddrPortFrom(own, portOfNew+more)),
				knock(t, pod, netip.AddrPortFrom(addrs[i], portOfOthers+more)))
		}
	}
	return all
}

// wantOpenedOnly waits for packets that the policy lets through, and wants no other.
func wantOpenedOnly(t *testing.T, at *host.Host) {
	t.Helper()
	lab.Wait(t, patience, "packets that the policy lets through at "+at.Name, func() error {
		if now := arrivals(t, at); now[2] == 0 || now[3] == 0 {
			return fmt.Errorf("%d datagrams and %d SYNs have come", now[2], now[3])
		}
		return nil
	})
	now := arrivals(t, at)
	if now[0] > 0 || now[1] > 0 {
		t.Errorf("%s: %d datagrams and %d SYNs arrived that the policy refuses", at.Name, now[0], now[1])
	}
	t.Logf("%s: %d datagrams and %d SYNs arrived that the policy lets through", at.Name, now[2], now[3])
}

// wantProgrammed wants all that a node needs before a pod runs there: the guard, its peers and the routes to them.
func wantProgrammed(t *testing.T, n *lab.Node) {
	t.Helper()
	all := snapshot(t, n)
	for inquiry, lines := range all {
		if len(lines) == 0 {
			t.Errorf("%s: a pod was attached while %s showed nothing", n.Name, inquiry)
		}
	}
	if peers := all["wg show warren0 allowed-ips"]; !slices.ContainsFunc(peers,
		func(line string) bool { return strings.Contains(line, "/24") }) {
		t.Errorf("%s: a pod was attached without a peer: %q", n.Name, peers)
	}
}
