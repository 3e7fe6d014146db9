package cluster_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
)

// What runs beside warren on a node may restart, and nodes go and come back.
func TestPrivilegedLifecycle(t *testing.T) {
	meshtest.Privileged(t)
	c := cluster.Start(t, cluster.Options{})
	c.Install(t)
	t.Run("services", func(t *testing.T) { restartServices(t, c) })
	t.Run("node", func(t *testing.T) { recreateNode(t, c) })
}

// restartServices restarts kubelets and container runtimes while pods talk.
func restartServices(t *testing.T, c *cluster.Cluster) {
	var hosts []*lab.Host
	for _, pod := range c.Spread(t, cluster.Workload{Name: "load", Args: []string{"pause"}}) {
		hosts = append(hosts, c.Adopt(t, pod))
	}
	flows := c.FlowsAmong(t, lab.FlowOptions{}, hosts...)
	flows.WaitEstablished(t)
	for _, n := range c.Nodes() {
		c.RestartKubelet(t, n)
		c.RestartContainerd(t, n)
	}
	// Both serve again when a new pod runs on every node.
	c.Spread(t, cluster.Workload{Name: "after", Args: []string{"netexec"}, Port: webPort})
	flows.WantNoLoss(t)
}

// recreateNode drains and deletes a node and has another machine of its name join: another UID, address and pod CIDR, the same disk.
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

	after = n.Object(t)
	peers := c.Node(1).MustExec(t, "wg", "show", "warren0", "allowed-ips")
	want := fmt.Sprintf("%s\t%s %v/32\n", after.Annotations["warren.mesh/public-key"], after.Spec.PodCIDR, n.Addrs()[0])
	if peers != want {
		t.Errorf("peers of node1 are\n%swant\n%s", peers, want)
	}
}

// Reboots, as hard as a power cut, cost no address: every round all pods of the node get one again.
func TestPrivilegedReboots(t *testing.T) {
	meshtest.Privileged(t)
	const rounds, pods = 20, 20
	c := cluster.Start(t, cluster.Options{})
	c.Install(t)
	n := c.Node(1)
	c.Kubectl(t, fmt.Sprintf(crowd, pods, n.Name), "apply", "--filename=-")
	c.WaitRollout(t, "default", "deployment/crowd")
	from := c.Spread(t, cluster.Workload{Name: "web", Args: []string{"netexec"}, Port: webPort})[1]
	for round := range rounds {
		begin := time.Now()
		c.Reboot(t, n)
		lab.Wait(t, 3*time.Minute, "pods after a reboot", func() error { return serving(t, c, n, pods, round+1) })
		for _, pod := range c.Pods(t, "default", "app=crowd") {
			if out, err := c.Fetch(t, from, url(pod.Addrs[0], webPort, "/hostname")); err != nil || strings.TrimSpace(out) != pod.Name {
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

// wantReservations expects that IPAM holds one address for each pod of the node, and no others.
func wantReservations(t *testing.T, c *cluster.Cluster, n *lab.Node) {
	t.Helper()
	reserved := map[string]bool{}
	for _, path := range strings.Fields(n.MustExec(t, "find", "/run/warren/ipam", "-type", "f", "-name", "[0-9]*")) {
		reserved[path[strings.LastIndexByte(path, '/')+1:]] = true
	}
	for _, addr := range podAddrs(t, c, n) {
		if !reserved[addr] {
			t.Errorf("%s: %s of a pod is not reserved", n.Name, addr)
		}
		delete(reserved, addr)
	}
	if len(reserved) > 0 {
		t.Errorf("%s: reserved and of no pod: %v", n.Name, reserved)
	}
}

// podAddrs are those of the node's pods that have their own.
func podAddrs(t *testing.T, c *cluster.Cluster, n *lab.Node) []string {
	t.Helper()
	out := c.Kubectl(t, "", "get", "pods", "--all-namespaces", "--field-selector=spec.nodeName="+n.Name, "--output=json")
	var list struct {
		Items []struct {
			Spec   struct{ HostNetwork bool }
			Status struct{ PodIP string }
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, pod := range list.Items {
		if !pod.Spec.HostNetwork {
			addrs = append(addrs, pod.Status.PodIP)
		}
	}
	return addrs
}
