package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// largeCrowd is how many more Nodes there are in the largest mesh, and observed for how long its memory is watched.
const (
	largeCrowd = 5000
	observed   = 5 * time.Minute
)

// What the processes may take in the largest mesh, in bytes: the daemon when nothing happens and at most, the device
// at most. On a busy machine the daemon was seen to take 75 and 110 MiB, and the device 254.
const (
	usualOfDaemon = 88 << 20
	mostOfDaemon  = 124 << 20
	mostOfDevice  = 272 << 20
)

// A mesh of 5,000 dual-stack nodes that never answer takes a bounded amount of memory, for as long as it runs and while
// a tenth of its nodes are rebooted or replaced, and harms no flow between those that do answer.
func TestPrivilegedLongScale(t *testing.T) {
	meshtest.Privileged(t)
	l := lab.Start(t, lab.Options{Nodes: 2, Family: lab.Dual})
	captured(t, l)
	withoutPolicies(t, l)
	for _, n := range l.Nodes() {
		n.StartDevice(t, "--wireguard=userspace")
		n.StartDaemon(t, "--wireguard=userspace")
	}
	for _, n := range l.Nodes() {
		n.WaitReady(t)
	}
	l.WaitMeshed(t)
	a, b := l.Node(1).AddPod(t, "a").Host, l.Node(2).AddPod(t, "b").Host
	flows := l.FlowsAmong(t, traffic.Options{}, a, b)
	flows.WaitEstablished(t)

	nodes := crowdOf(largeCrowd)
	begin := time.Now()
	register(t, l, nodes...)
	waitAllProgrammed(t, l, largeCrowd)
	t.Logf("%d nodes registered and programmed after %v", largeCrowd, time.Since(begin).Round(time.Second))
	wantBounded(t, l, "after the join")
	wantNoLoss(t, flows)
	watchMemory(t, l) // without traffic, whose packets would cost the device more than all its peers

	flows = l.FlowsAmong(t, traffic.Options{}, a, b)
	flows.WaitEstablished(t)
	begin = time.Now()
	rolling(t, l, nodes[:largeCrowd/10])
	t.Logf("%d nodes rebooted or replaced after %v", largeCrowd/10, time.Since(begin).Round(time.Second))
	wantBounded(t, l, "after the rolling reboot")
	wantNoLoss(t, flows)
}

// rolling reboots every other node, which comes back elsewhere with the key that is on its disk, and replaces the
// others by machines with other keys.
func rolling(t *testing.T, l *lab.Lab, nodes []pretended) {
	t.Helper()
	for i, p := range nodes {
		if i%2 == 0 {
			p.announcement.Endpoint = pretend(p.name, largeCrowd+i).announcement.Endpoint
			announce(t, l, p)
			continue
		}
		unregister(t, l, p)
		p.key = meshtest.Key(fmt.Sprint("replaced ", i))
		p.announcement.PublicKey = p.key.Public().String()
		register(t, l, p)
	}
	last := nodes[len(nodes)-1]
	key := meshtest.Key(fmt.Sprint("replaced ", len(nodes)-1)).Public().String()
	endpoint, _, _ := strings.Cut(last.announcement.Endpoint, ",")
	for _, n := range l.Nodes() {
		waitEndpoint(t, n, key, endpoint)
	}
	waitAllProgrammed(t, l, largeCrowd)
}

func waitAllProgrammed(t *testing.T, l *lab.Lab, crowd int) {
	t.Helper()
	for _, n := range l.Nodes() {
		waitProgrammed(t, n, len(l.Nodes())-1+crowd)
	}
}

// watchMemory looks at the memory of all nodes for a while, and says what the processes used in that time.
func watchMemory(t *testing.T, l *lab.Lab) {
	t.Helper()
	const looks = 10
	type both struct{ daemon, device lab.Usage }
	before := map[string]both{}
	for _, n := range l.Nodes() {
		before[n.Name] = both{n.DaemonUsage(t), n.DeviceUsage(t)}
	}
	begin := time.Now()
	tick := time.NewTicker(observed / looks)
	defer tick.Stop()
	for range looks {
		<-tick.C
		wantBounded(t, l, fmt.Sprintf("%v later", time.Since(begin).Round(time.Second)))
	}
	for _, n := range l.Nodes() {
		daemon, device := n.DaemonUsage(t), n.DeviceUsage(t)
		share := func(now, then lab.Usage) float64 {
			return 100 * float64(now.Processor-then.Processor) / float64(time.Since(begin))
		}
		t.Logf("%s: of one processor, the daemon used %.2f %% and the device %.2f %%", n.Name,
			share(daemon, before[n.Name].daemon), share(device, before[n.Name].device))
		if daemon.Memory > usualOfDaemon {
			t.Errorf("the daemon of %s takes %d MiB when nothing happens, want %d at most", n.Name,
				daemon.Memory>>20, usualOfDaemon>>20)
		}
	}
}

// wantBounded fails the test where a process took more than it may.
func wantBounded(t *testing.T, l *lab.Lab, when string) {
	t.Helper()
	for _, n := range l.Nodes() {
		t.Logf("%s, %s: %s", when, n.Name, memoryOf(t, n))
		if peak := n.DaemonUsage(t).Peak; peak > mostOfDaemon {
			t.Errorf("the daemon of %s took %d MiB, want %d at most", n.Name, peak>>20, mostOfDaemon>>20)
		}
		if peak := n.DeviceUsage(t).Peak; peak > mostOfDevice {
			t.Errorf("the device of %s took %d MiB, want %d at most", n.Name, peak>>20, mostOfDevice>>20)
		}
	}
}

// memoryOf says how much memory the node's processes take, and at most took.
func memoryOf(t *testing.T, n *lab.Node) string {
	t.Helper()
	daemon, device := n.DaemonUsage(t), n.DeviceUsage(t)
	return fmt.Sprintf("daemon %d MiB (%d at most), device %d MiB (%d at most)", daemon.Memory>>20, daemon.Peak>>20,
		device.Memory>>20, device.Peak>>20)
}
