package cluster_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// restartServices restarts kubelets and container runtimes while pods talk.
func restartServices(t *testing.T, c *cluster.Cluster) {
	var hosts []*host.Host
	for _, pod := range c.Spread(t, cluster.Workload{Name: "load", Args: []string{"pause"}}) {
		hosts = append(hosts, c.Adopt(t, pod))
	}
	flows := c.FlowsAmong(t, traffic.Options{}, hosts...)
	flows.WaitEstablished(t)
	for _, n := range c.Nodes() {
		c.RestartKubelet(t, n)
		c.RestartContainerd(t, n)
	}
	// Both serve again when a new pod runs on every node.
	c.Spread(t, cluster.Workload{Name: "after", Args: []string{"netexec"}, Port: webPort})
	flows.WantNoLoss(t)
}

// recreateNode drains and deletes a node and has another machine of its name join: another UID, address and pod CIDR,
// the same disk.
func recreateNode(t *testing.T, c *cluster.Cluster) {
	old := c.Node(2)
	before := old.Object(t)
	c.Kubectl(t, "", "drain", old.Name, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s")
	old.Remove(t)
	n := c.Join(t, lab.NodeOptions{Name: old.Name})
	after := n.Object(t)
	if after.UID == before.UID || n.Addrs()[0] == old.Addrs()[0] {
		t.Fatalf("it is the same node: %v %v", after.UID, n.Addrs())
	}
	c.WaitReady(t)
	web := c.Spread(t, cluster.Workload{Name: "web", Args: []string{"netexec"}, Port: webPort})
	s := &scene{Cluster: c, web: web}
	s.pods(t)

	wantPeer(t, c.Node(1), n)
}

// wantPeer expects that on is of peer's mesh by the peer's present key, pod CIDRs and addresses, and by nothing older.
func wantPeer(t *testing.T, on, peer *lab.Node) {
	t.Helper()
	object := peer.Object(t)
	want := []string{object.Annotations["warren.mesh/public-key"]}
	for _, addr := range peer.Addrs() {
		want = append(want, netip.PrefixFrom(addr, addr.BitLen()).String())
	}
	want = append(want, object.Spec.PodCIDRs...)
	got := strings.Fields(on.MustExec(t, "wg", "show", "warren0", "allowed-ips"))
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("peers of %s, in a cluster of two (-want +got):\n%s", on.Name, diff)
	}
}

// Reboots, as hard as a power cut, cost no address: every round all pods of the node get one again.
func TestPrivilegedLongReboots(t *testing.T) {
	meshtest.Privileged(t)
	c := cluster.Start(t, cluster.Options{})
	c.Install(t)
	reboots(t, c, 20)
}

// reboots is of the first node, with as many pods as addresses could leak.
func reboots(t *testing.T, c *cluster.Cluster, rounds int) {
	const pods = 20
	n := c.Node(1)
	c.Kubectl(t, fmt.Sprintf(crowd, pods, n.Name), "apply", "--filename=-")
	c.WaitRollout(t, "default", "deployment/crowd")
	from := c.Spread(t, cluster.Workload{Name: "web", Args: []string{"netexec"}, Port: webPort})[1]
	for round := range rounds {
		begin := time.Now()
		c.Reboot(t, n)
		lab.Wait(t, patience, "pods after a reboot", func() error { return serving(t, c, n, pods, round+1) })
		for _, pod := range c.Pods(t, "default", "app=crowd") {
			if out, err := c.Fetch(t, from, url(pod.Addrs[0], webPort, "/hostname")); err != nil ||
				strings.TrimSpace(out) != pod.Name {
				t.Errorf("round %d: %s: %q, %v", round, pod.Name, out, err)
			}
		}
		wantReservations(t, c, n)
		t.Logf("round %d: %v", round, time.Since(begin).Round(time.Second))
	}
}

const crowd = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: crowd}
spec:
  replicas: %d
  selector: {matchLabels: {app: crowd}}
  template:
    metadata: {labels: {app: crowd}}
    spec:
      nodeSelector: {kubernetes.io/hostname: %s}
      terminationGracePeriodSeconds: 1
      containers:
      - name: agnhost
        image: registry.k8s.io/e2e-test-images/agnhost:2.66.1
        args: [netexec]
        readinessProbe: {httpGet: {path: /hostname, port: 8080}, periodSeconds: 1}
`

// serving is nil once all pods have been started anew this often and are ready.
func serving(t *testing.T, c *cluster.Cluster, n *lab.Node, pods, restarts int) error {
	out := c.Kubectl(t, "", "get", "pods", "--selector=app=crowd", "--field-selector=spec.nodeName="+n.Name,
		"--output=jsonpath={range .items[*].status.containerStatuses[0]}{.restartCount} {.ready}{\"\\n\"}{end}")
	if ready := strings.Count(out, fmt.Sprintf("%d true\n", restarts)); ready != pods {
		return fmt.Errorf("%d of %d are ready", ready, pods)
	}
	return nil
}

// wantReservations expects that IPAM holds the addresses of all pods of the node, and no others.
func wantReservations(t *testing.T, c *cluster.Cluster, n *lab.Node) {
	t.Helper()
	var reserved []string
	for _, path := range strings.Fields(n.MustExec(t, "find", "/run/warren/ipam", "-type", "f")) {
		// Beside locks and the like each file is called by its address.
		if name := path[strings.LastIndexByte(path, '/')+1:]; netip.Addr.IsValid(parsed(name)) {
			reserved = append(reserved, name)
		}
	}
	slices.Sort(reserved)
	if diff := cmp.Diff(podAddrs(t, c, n), reserved); diff != "" {
		t.Errorf("%s: addresses of pods, and those reserved (-pods +reserved):\n%s", n.Name, diff)
	}
}

// parsed is the zero value of what is no address.
func parsed(text string) netip.Addr {
	addr, _ := netip.ParseAddr(text)
	return addr
}

// podAddrs are those of the node's pods that have their own, sorted.
func podAddrs(t *testing.T, c *cluster.Cluster, n *lab.Node) []string {
	t.Helper()
	out := c.Kubectl(t, "", "get", "pods", "--all-namespaces", "--field-selector=spec.nodeName="+n.Name,
		"--output=json")
	var list struct {
		Items []struct {
			Spec   struct{ HostNetwork bool }
			Status struct{ PodIPs []struct{ IP string } }
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, pod := range list.Items {
		for _, ip := range pod.Status.PodIPs {
			if !pod.Spec.HostNetwork {
				addrs = append(addrs, ip.IP)
			}
		}
	}
	slices.Sort(addrs)
	return addrs
}
