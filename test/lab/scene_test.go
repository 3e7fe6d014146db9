package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/tb"
	"warren.mesh/test/lab/traffic"
)

// One lab without warren, in which each part does what tests will ask of it.
func TestPrivilegedScene(t *testing.T) {
	meshtest.Privileged(t)
	l := Start(t, Options{Nodes: 2, Family: Dual})
	for _, part := range []struct {
		name string
		run  func(*testing.T, *Lab)
	}{
		{"pods", testPods},
		{"flows", testFlows},
		{"router", testRouter},
		{"capture", testCapture},
		{"api server", testAPIServer},
		{"objects", testObjects},
		{"addresses", testAddresses},
		{"reboot", testReboot},
		{"remove", testRemove},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, l) })
	}
}

// conflist is what a daemon would install, without a mesh.
const conflist = `{"cniVersion": "1.0.0", "name": "test", "plugins": [
	{"type": "bridge", "bridge": "br0", "isDefaultGateway": true, "hairpinMode": true, "ipam": {
		"type": "host-local", "dataDir": "/run/ipam",
		"ranges": [[{"subnet": "10.244.77.0/24"}], [{"subnet": "fd00:10:244:77::/64"}]]}},
	{"type": "portmap", "capabilities": {"portMappings": true}}]}`

// installCNI puts plugins and configuration where a container runtime looks for them.
func installCNI(t *testing.T, n *Node) {
	t.Helper()
	n.MustExec(t, "cp", "-rL", n.lab.programs.Plugins, "/opt/cni/bin")
	n.MustExec(t, "mkdir", "-p", "/etc/cni/net.d")
	if _, err := n.Output(t.Context(), host.Command{Path: "tee", Args: []string{"/etc/cni/net.d/10-test.conflist"},
		Input: conflist}); err != nil {
		t.Fatal(err)
	}
}

func testPods(t *testing.T, l *Lab) {
	n := l.Node(1)
	if _, err := n.TryPod("early"); err == nil || !strings.Contains(err.Error(), "look for a CNI configuration") {
		t.Errorf("a pod was started without a CNI configuration: %v", err)
	}
	installCNI(t, n)
	a := n.AddPod(t, "a")
	b := n.AddPod(t, "b", HostPort{Host: 30080, Container: traffic.EchoPort})
	if want := netip.MustParseAddr("10.244.77.2"); len(a.Addrs()) != 2 || a.Addrs()[0] != want {
		t.Fatalf("the first pod has the addresses %v", a.Addrs())
	}
	for _, addr := range b.Addrs() {
		if _, err := a.Ping(addr); err != nil {
			t.Error(err)
		}
		if seen, err := a.Get(b.Echo(addr)); err != nil || seen.Addr() != a.Addr(addr) {
			t.Errorf("%s saw %v, %v", b.Name, seen, err)
		}
	}
	if _, err := l.Node(2).Get(netip.AddrPortFrom(n.Addrs()[0], 30080)); err != nil {
		t.Errorf("the pod's host port: %v", err)
	}
	if out := b.MustExec(t, "sh", "-c", "hostname; ls /run/netns"); out != "node1\na\nb\n" {
		t.Errorf("in the pod it looks like %q", out)
	}
	testCheck(t, b)
	testDelete(t, n, b)
}

// testCheck checks pod, which is then no longer attached as it was.
func testCheck(t *testing.T, pod *Pod) {
	t.Helper()
	if err := pod.TryCheck(); err != nil {
		t.Error(err)
	}
	addr := pod.Addrs()[0].String()
	pod.MustExec(t, "ip", "address", "delete", addr+"/24", "dev", "eth0")
	if err := pod.TryCheck(); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("the pod lost %s, and CHECK says %v", addr, err)
	}
}

// testDelete deletes b, whose name, addresses and host port are free then.
func testDelete(t *testing.T, n *Node, b *Pod) {
	t.Helper()
	addrs := b.Addrs()
	b.Delete(t)
	if out := n.MustExec(t, "nft", "--stateless", "list", "ruleset"); strings.Contains(out, "30080") {
		t.Errorf("of the pod's host port there is still:\n%s", out)
	}
	if _, err := b.Ping(addrs[0]); err == nil {
		t.Error("a pod that was deleted still pings")
	}
	if out := n.MustExec(t, "ls", "/run/netns", "/run/ipam/test"); strings.Contains(out, addrs[0].String()) ||
		strings.Contains(out, "b\n") {
		t.Errorf("of the pod there is still:\n%s", out)
	}
	if again, err := n.TryPod("b"); err != nil {
		t.Error(err)
	} else {
		again.Delete(t)
	}
}

func testFlows(t *testing.T, l *Lab) {
	a, b := l.Node(1), l.Node(2)
	flows := l.FlowsAmong(t, traffic.Options{}, a.Host, b.Host, l.Outside)
	if len(flows) != 3*2*2 {
		t.Errorf("%d flows among three hosts of two families", len(flows))
	}
	flows.WaitEstablished(t)
	Wait(t, 10*time.Second, "a hundred packets", func() error {
		for _, f := range flows {
			if f.Report().Received < 100 {
				return errors.New(f.Report().String())
			}
		}
		return nil
	})
	flows.WantNoLoss(t)

	// The counter of a flow whose packets are dropped on the way must say so.
	lossy := l.Flow(t, a.Host, b.Host, traffic.Options{})
	lossy.WaitEstablished(t)
	b.MustExec(t, "nft",
		fmt.Sprintf("add table inet lossy; add chain inet lossy in { type filter hook input priority 0; }; "+
			"add rule inet lossy in udp dport %d numgen inc mod 10 == 0 drop", traffic.FlowPort))
	defer b.MustExec(t, "nft", "delete table inet lossy")
	Wait(t, 10*time.Second, "twenty packets to be lost", func() error {
		if r := lossy.Report(); r.Lost < 20 {
			return errors.New(r.String())
		}
		return nil
	})
	if failures := tb.Record(t, lossy.WantNoLoss); len(failures) != 1 {
		t.Errorf("a tenth was lost, and it failed with %q", failures)
	}
}

// The underlay's router keeps the hardware address that nodes have in their neighbour tables when other cables are
// plugged in.
func testRouter(t *testing.T, l *Lab) {
	testReach(t, l.Node(2), l.Outside)
	l.Control.MustExec(t, "ip", "link", "add", "low", "address", "02:00:00:00:00:01", "master", bridgeName, "type",
		"veth")
	defer l.Control.MustExec(t, "ip", "link", "delete", "low")
	l.Control.MustExec(t, "ip", "link", "set", "low", "up")
	testReach(t, l.Node(2), l.Outside)
}

func testCapture(t *testing.T, l *Lab) {
	a, b := l.Node(1), l.Node(2)
	watch := l.Watch(t)
	pod := netip.MustParseAddr("10.244.9.9")
	a.MustExec(t, "ip", "address", "add", pod.String()+"/32", "dev", "lo")
	defer a.MustExec(t, "ip", "address", "delete", pod.String()+"/32", "dev", "lo")
	conn, err := a.DialFrom(t.Context(), netip.AddrPortFrom(pod, 0), "udp", b.Echo(pod).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(traffic.Question)); err != nil {
		t.Fatal(err)
	}
	wantLeak(t, watch, "10.244.9.9")

	watch.Forget()
	// As if masqueraded: no pod address, but what only a pod would send.
	flow, err := l.pacer.Flow(a.Host, b.Host, traffic.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantLeak(t, watch, "172.31.9.1")
	flow.Stop()
	if failures := tb.Record(t, watch.WantNone); len(failures) != 1 {
		t.Errorf("a leak failed with %q", failures)
	}

	// What a third node sends is seen from its first packet.
	watch = l.CapturePlaintext(t)
	third := l.AddNode(t, NodeOptions{PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.200.0/24")}})
	third.MustExec(t, "ping", "-c1", "-I", third.Addrs()[0].String(), b.Addrs()[0].String())
	// What the taps hold is read in the background.
	Wait(t, 5*time.Second, "the third node's packets", func() error {
		if r := watch.Report(); r.Packets[capture.Other] == 0 {
			return fmt.Errorf("it saw %v", r)
		}
		return nil
	})
	watch.WantNone(t)
}

// wantLeak waits until a capture has seen a leak that names text, and it fails then.
func wantLeak(t *testing.T, seen *capture.Capture, text string) {
	t.Helper()
	Wait(t, 5*time.Second, "a leak with "+text, func() error {
		r := seen.Report()
		// Not the first of them: an answer to what was sent before may still come in between.
		if !strings.Contains(capture.Lines(r.Samples[capture.Leak]), text) {
			return errors.New(r.String() + "\n" + capture.Lines(r.Samples[capture.Leak]))
		}
		return nil
	})
}

func testAPIServer(t *testing.T, l *Lab) {
	n := l.Node(1)
	version := n.Object(t).ResourceVersion
	l.StopAPI(t)
	ctx, cancel := context.WithTimeout(t.Context(), traffic.Patience)
	defer cancel()
	if _, err := n.podCIDRs(ctx); err == nil {
		t.Error("the API server answers")
	}
	l.StartAPI(t)
	if got := n.Object(t).ResourceVersion; got != version {
		t.Errorf("the Node's resource version was %s and is %s", version, got)
	}
	if out := l.Kubectl(t, "", "get", "node", n.Name, "-o", "name"); out != "node/node1\n" {
		t.Errorf("kubectl says %q", out)
	}
}

func testObjects(t *testing.T, l *Lab) {
	n := l.Node(2)
	n.Annotate(t, map[string]string{"a": "1", "b": "2"})
	n.Annotate(t, map[string]string{"a": ""})
	if got := n.Object(t).Annotations; got["b"] != "2" || got["a"] != "" {
		t.Errorf("the annotations are %v", got)
	}
	uid := n.Object(t).UID
	n.DeleteObject(t)
	cidr := netip.MustParsePrefix("10.244.250.0/24")
	n.CreateObject(t, cidr)
	if got := n.PodCIDRs(t); got[0] != cidr {
		t.Errorf("the pod CIDRs are %v", got)
	}
	if gateway := n.Gateway(t, cidr.Addr()); gateway != netip.MustParseAddr("10.244.250.1") {
		t.Errorf("the gateway is %v", gateway)
	}
	if n.Object(t).UID == uid {
		t.Error("it is the same Node")
	}
}

func testAddresses(t *testing.T, l *Lab) {
	n := l.Node(2)
	n.SetIPs(t, netip.MustParseAddr("172.31.9.102"), netip.MustParseAddr("fd00:9::102"))
	testReach(t, n, l.Node(1).Host, l.Outside)
	var got []string
	for _, a := range n.Object(t).Status.Addresses {
		got = append(got, a.Address)
	}
	if text := strings.Join(got, " "); text != "node2 172.31.9.102 fd00:9::102" {
		t.Errorf("the Node has the addresses %s", text)
	}
	if _, err := l.Node(1).Ping(netip.MustParseAddr("172.31.9.2")); err == nil {
		t.Error("the old address answers")
	}
}

// After a reboot the disk is there, /run is not, and neither are pods.
func testReboot(t *testing.T, l *Lab) {
	n := l.Node(1)
	pod := n.AddPod(t, "until-reboot")
	n.MustExec(t, "sh", "-c", "echo kept > /var/lib/warren/file; echo lost > /run/file")
	n.Reboot(t)
	if out := n.MustExec(t, "sh", "-c",
		"cat /var/lib/warren/file; ls /run; hostname"); out != "kept\nlock\nnetns\nnode1\n" {
		t.Errorf("after the reboot there is %q", out)
	}
	if _, err := pod.Exec("true"); err == nil {
		t.Error("a pod has survived the reboot")
	}
	testReach(t, n, l.Node(2).Host, l.Outside)
	n.AddPod(t, "after-reboot")
}

func testRemove(t *testing.T, l *Lab) {
	n := l.Node(2)
	addr := n.Addrs()[0]
	n.Remove(t)
	if _, err := l.Node(1).Ping(addr); err == nil {
		t.Error("a node that was removed answers")
	}
	if out := l.Kubectl(t, "", "get", "node", "-o", "name"); strings.Contains(out, "node2") {
		t.Errorf("there are still %s", out)
	}
	if failures := tb.Record(t, func(TB) { l.Node(3) }); failures != nil || len(l.Nodes()) != 2 {
		t.Errorf("there are %d nodes, %q", len(l.Nodes()), failures)
	}
}
