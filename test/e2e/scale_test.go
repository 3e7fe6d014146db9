package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// crowd is how many more Nodes there are in the large mesh.
const crowd = 1000

// What one node's joining, leaving or moving costs all the others does not depend on how many they are.
func TestPrivilegedScale(t *testing.T) {
	meshtest.Privileged(t)
	l := lab.Start(t, lab.Options{Family: lab.Dual})
	captured(t, l)
	withoutPolicies(t, l)
	for _, n := range l.Nodes() {
		// Userspace, whatever the kernel has: its log tells of every change to the device, one by one.
		n.StartDevice(t, "--wireguard=userspace", "--log-level=debug")
		n.StartDaemon(t, "--wireguard=userspace")
	}
	for _, n := range l.Nodes() {
		n.WaitReady(t)
	}
	l.WaitMeshed(t)
	flows := l.FlowsAmong(t, traffic.Options{}, l.Node(1).AddPod(t, "a").Host, l.Node(2).AddPod(t, "b").Host)
	flows.WaitEstablished(t)

	few := costs(t, l)
	grow(t, l)
	many := costs(t, l)
	if diff := cmp.Diff(few, many); diff != "" {
		t.Errorf("what events cost (-among few nodes +among many):\n%s", diff)
	}
	wantNoLoss(t, flows)
	for _, n := range l.Nodes() {
		// The crowd has one endpoint each, and those that answer keep theirs, though they may be idle.
		if set := n.Metrics(t)["warren_endpoints_set_total"]; set != 0 {
			t.Errorf("%s has set %v other endpoints, want none", n.Name, set)
		}
	}
}

// crowdOf are so many nodes.
func crowdOf(size int) (nodes []pretended) {
	for i := range size {
		nodes = append(nodes, pretend(fmt.Sprintf("crowd-%04d", i), i))
	}
	return nodes
}

// grow registers the crowd and waits until all nodes have programmed it.
func grow(t *testing.T, l *lab.Lab) {
	t.Helper()
	nodes := crowdOf(crowd)
	for i := range nodes {
		// With another endpoint, each would get that one when it has not answered for a while: no event's cost.
		nodes[i].announcement.Endpoint, _, _ = strings.Cut(nodes[i].announcement.Endpoint, ",")
	}
	begin := time.Now()
	register(t, l, nodes...)
	registered := time.Since(begin)
	members := len(l.Nodes()) + crowd
	for _, n := range l.Nodes() {
		waitProgrammed(t, n, members-1)
		t.Logf("%s: %d nodes registered in %v and programmed after %v; %s", n.Name, crowd,
			registered.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond), memoryOf(t, n))
	}
	for _, n := range l.Nodes() {
		got := viewOf(t, n)
		// Of each peer two pod CIDRs and two addresses, of the addresses a route through the mesh and an unreachable
		// one.
		want := [3]int{members - 1, 6 * (members - 1), 2 * members}
		if sizes := [3]int{len(got.Peers), len(got.Routes), len(got.Guarded)}; sizes != want {
			t.Errorf("%s has %d peers, routes and guarded addresses, want %d", n.Name, sizes, want)
		}
	}
}

// cost is what one event made warren write.
type cost struct {
	// Reported is what ip and nft report of node1, Device what its device says, in the order of writing.
	Reported map[string][]string
	Device   []string
	// Counted are all daemons' own counts, by node and kind.
	Counted map[string]map[string]int
}

// costs has a node join, move and leave.
func costs(t *testing.T, l *lab.Lab) map[string]cost {
	t.Helper()
	peers := int(l.Node(1).Metrics(t)["warren_peers_programmed"])
	node := pretend("passer-by", crowd)
	node.announcement.Endpoint, _, _ = strings.Cut(node.announcement.Endpoint, ",") // as in grow
	elsewhere := node
	elsewhere.announcement.Endpoint = "100.64.255.1:51820"
	all := map[string]cost{}
	for _, event := range []struct {
		name   string
		happen func()
		// peers is how many there are then, and endpoint where the node is.
		peers    int
		endpoint string
	}{
		{"join", func() { register(t, l, node) }, peers + 1, "100.64.3.232:51820"},
		{"move", func() { announce(t, l, elsewhere) }, peers + 1, "100.64.255.1:51820"},
		{"leave", func() { unregister(t, l, node) }, peers, ""},
	} {
		t.Run(fmt.Sprintf("%s among %d", event.name, peers+1), func(t *testing.T) {
			m := newMeter(t, l)
			event.happen()
			for _, n := range l.Nodes() {
				waitProgrammed(t, n, event.peers)
				waitEndpoint(t, n, node.announcement.PublicKey, event.endpoint)
			}
			all[event.name] = m.read(t)
		})
	}
	return all
}

// meter measures one event's cost.
type meter struct {
	lab     *lab.Lab
	changes *changes
	logged  int
	counted map[string]map[string]int
}

func newMeter(t *testing.T, l *lab.Lab) meter {
	t.Helper()
	return meter{lab: l, changes: watchChanges(t, l.Node(1)), logged: len(l.Node(1).DeviceLog()),
		counted: counted(t, l)}
}

func (m meter) read(t *testing.T) cost {
	t.Helper()
	c := cost{Reported: m.changes.reported(t), Device: deviceWrites(m.lab.Node(1).DeviceLog()[m.logged:]),
		Counted: counted(t, m.lab)}
	for node, kinds := range c.Counted {
		for kind := range kinds {
			kinds[kind] -= m.counted[node][kind]
		}
		maps.DeleteFunc(kinds, func(_ string, n int) bool { return n == 0 })
	}
	t.Logf(
		"node1: %v; reported %d changes of links, addresses, routes and rules and %d of nftables; the device says %q",
		c.Counted["node1"], len(c.Reported["/run/changes.ip"]), len(c.Reported["/run/changes.nft"]), c.Device)
	if len(c.Device) == 0 || len(c.Counted["node1"]) == 0 {
		t.Error("nothing is counted: nothing is shown")
	}
	return c
}

var operationSeries = regexp.MustCompile(`^warren_host_operations_total{kind="(.*)"}$`)

// counted are the daemons' counts of their writes, by node and kind.
func counted(t *testing.T, l *lab.Lab) map[string]map[string]int {
	t.Helper()
	all := map[string]map[string]int{}
	for _, n := range l.Nodes() {
		all[n.Name] = map[string]int{}
		for series, value := range n.Metrics(t) {
			if kind := operationSeries.FindStringSubmatch(series); kind != nil {
				all[n.Name][kind[1]] = int(value)
			}
		}
	}
	return all
}

var deviceWrite = regexp.MustCompile(`msg="(UAPI: [^"]*)"`)

// deviceWrites are what the device was told to change, by its log.
func deviceWrites(log string) []string {
	var all []string
	for _, line := range deviceWrite.FindAllStringSubmatch(log, -1) {
		all = append(all, line[1])
	}
	return all
}

// waitProgrammed waits until the daemon has programmed so many peers.
func waitProgrammed(t *testing.T, n *lab.Node, peers int) {
	t.Helper()
	lab.Wait(t, 2*time.Minute, n.Name+" to program its peers", func() error {
		if got := int(n.Metrics(t)["warren_peers_programmed"]); got != peers {
			return fmt.Errorf("%d peers, want %d", got, peers)
		}
		return nil
	})
}

// waitEndpoint waits until the device sends to that peer there; "" means that it has no such peer.
func waitEndpoint(t *testing.T, n *lab.Node, key, endpoint string) {
	t.Helper()
	lab.Wait(t, time.Minute, n.Name+" to know where to send", func() error {
		fields := strings.Fields(n.MustExec(t, "wg", "show", "warren0", "endpoints"))
		got := ""
		if at := slices.Index(fields, key); at >= 0 {
			got = fields[at+1]
		}
		if got != endpoint {
			return fmt.Errorf("endpoint %q, want %q", got, endpoint)
		}
		return nil
	})
}
