package e2e

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/lab"
)

// testGateway has a node's gateway address, which is on its device and on its bridge, talk with pods here and
// elsewhere, whichever of the two interfaces was there first: the kernel prefers the older one in places.
func testGateway(t *testing.T, h *hosts) {
	n := h.join(t)
	defer h.WaitMeshed(t)
	defer n.Remove(t)
	before := firewallCounts(t, h.Lab)

	pod := n.AddPod(t, "first")
	wantOlder(t, n, "warren0", "warren-br0")
	checkAll(t, slices.Concat(gatewayAnd(t, pod), h.gatewayAndRemote(t, n)))

	t.Log("the bridge is deleted")
	n.MustExec(t, "ip", "link", "delete", "warren-br0")
	checkAll(t, h.gatewayAndRemote(t, n))
	pod.Delete(t)

	t.Log("a new pod makes it again")
	pod = n.AddPod(t, "second")
	checkAll(t, slices.Concat(gatewayAnd(t, pod), h.gatewayAndRemote(t, n)))

	t.Log("the device is deleted and made again")
	n.KillDevice(t)
	n.MustExec(t, "ip", "link", "delete", "warren0")
	n.StartDevice(t)
	waitPeers(t, n, 3)
	wantOlder(t, n, "warren-br0", "warren0")
	checkAll(t, slices.Concat(gatewayAnd(t, pod), h.gatewayAndRemote(t, n)))
	before.wantSame(t, h.Lab)
}

// join adds a fourth node to the mesh.
func (h *hosts) join(t *testing.T) *lab.Node {
	t.Helper()
	n := h.AddNode(t, lab.NodeOptions{})
	n.StartDevice(t)
	n.StartDaemon(t, h.daemonArgs...)
	n.WaitReady(t)
	h.WaitMeshed(t)
	return n
}

// gatewayAnd are the paths between a pod and its node's gateway address.
func gatewayAnd(t *testing.T, pod *lab.Pod) []path {
	t.Helper()
	var paths []path
	for _, own := range pod.Addrs() {
		gateway := pod.Node.Gateway(t, own)
		paths = append(paths,
			path{from: pod.Host, to: pod.Node.Host, target: gateway, source: own},
			path{from: pod.Node.Host, to: pod.Host, target: own, source: gateway})
	}
	return paths
}

// gatewayAndRemote are the paths between a node's gateway address and node2 and its pod.
func (h *hosts) gatewayAndRemote(t *testing.T, n *lab.Node) []path {
	t.Helper()
	var paths []path
	for _, like := range n.Addrs() {
		here, there := n.Gateway(t, like), h.two.Gateway(t, like)
		paths = append(paths,
			path{from: h.near.Host, to: n.Host, target: here, source: h.near.Addr(like)},
			path{from: h.two.Host, to: n.Host, target: here, source: there},
			path{from: n.Host, to: h.near.Host, target: h.near.Addr(like), source: here},
			path{from: n.Host, to: h.two.Host, target: there, source: here})
	}
	return paths
}

// wantOlder fails the test unless the first interface was made before the second.
func wantOlder(t *testing.T, n *lab.Node, first, second string) {
	t.Helper()
	index := func(name string) int {
		number, err := strconv.Atoi(strings.TrimSpace(n.MustExec(t, "cat", "/sys/class/net/"+name+"/ifindex")))
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	if a, b := index(first), index(second); a >= b {
		t.Fatalf("%s has index %d and %s index %d: the scene is not what the test is about", first, a, second, b)
	}
}

// waitPeers waits until the node's device has that many peers.
func waitPeers(t *testing.T, n *lab.Node, peers int) {
	t.Helper()
	lab.Wait(t, time.Minute, "the peers of "+n.Name, func() error {
		out, err := n.Exec("wg", "show", "warren0", "peers")
		if err != nil {
			return err
		}
		return want("peers", strings.Count(out, "\n"), peers)
	})
}
