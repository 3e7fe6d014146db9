package walls

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/test/lab/namespace"
)

const bridge = "warren-br0"

var bridgeMAC = [6]byte{2, 0, 0, 0, 0, 1}

// open opens the tables of a namespace of their own, in which the calling goroutine stays.
func open(t *testing.T) *Walls {
	t.Helper()
	meshtest.Privileged(t)
	namespace.Enter(t)
	return reopen(t)
}

func reopen(t *testing.T) *Walls {
	t.Helper()
	w, err := Open(bridge, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// twoPods are two pods of this node, of which a policy isolates the second.
func twoPods() policy.Input {
	var in policy.Input
	for name, addrs := range map[string][]netip.Addr{
		"a": {addr("10.244.1.2"), addr("fd00:10:244:1::2")}, "b": {addr("10.244.1.3"), addr("fd00:10:244:1::3")},
	} {
		labels := policy.NewLabels(map[string]string{"app": name})
		in.Attached = append(in.Attached, policy.Attached{Namespace: "x", Name: name, UID: name, Addrs: addrs})
		in.Pods = append(in.Pods, policy.Pod{Namespace: "x", Name: name, UID: name, Labels: labels})
	}
	in.Namespaces = []policy.Namespace{{Name: "x"}}
	in.Policies = []policy.Policy{{
		Namespace: "x", Name: "b-in", IsolatesIngress: true,
		Pods: policy.Selector{Requirements: []policy.Requirement{
			{Key: "app", Operator: policy.In, Values: []string{"b"}},
		}},
		Ingress: []policy.Rule{{AllPeers: true, Ports: []policy.Port{{Protocol: policy.TCP, Number: 80}}}},
	}}
	return in
}

func layouts(in policy.Input) (portsTable, policyTable nft.Layout) {
	var all []ports.Port
	for _, a := range in.Attached {
		mac := [6]byte{2, 0, 0, 0, 1, a.Name[0]}
		all = append(all, ports.Port{Interface: "veth" + a.Name, MAC: mac, Addrs: a.Addrs})
	}
	state, _ := policy.Compile(in)
	return ports.Layout(ports.Bridge{Name: bridge, MAC: bridgeMAC}, all), state.Table
}

// syncs makes the tables as in has them, and fails unless that takes so many transactions.
func syncs(t *testing.T, w *Walls, in policy.Input, want uint32) {
	t.Helper()
	before := generation(t)
	portsTable, policyTable := layouts(in)
	changed, err := w.SyncTables(t.Context(), portsTable, policyTable)
	if err != nil {
		t.Fatal(err)
	}
	if got := generation(t) - before; got != want || changed != (want > 0) {
		t.Errorf("%d transactions, changed %v; want %d", got, changed, want)
	}
}

// generation is the ruleset's: one more with each transaction that changes anything.
func generation(t *testing.T) uint32 {
	t.Helper()
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   make([]byte, 4),
	})
	if err != nil || len(replies) != 1 || len(replies[0].Data) < 12 {
		t.Fatalf("%v, %d replies", err, len(replies))
	}
	b := replies[0].Data[8:12]
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func TestPrivilegedSync(t *testing.T) {
	w := open(t)
	none, one, both := policy.Input{}, twoPods(), twoPods()
	one.Policies = nil
	syncs(t, w, both, 1)
	syncs(t, w, both, 0)
	syncs(t, reopen(t), both, 0)
	isolated, err := reopen(t).Isolated(t.Context())
	want := []nft.Element{
		{Set: "servers4", Key: []string{"10.244.1.3"}}, {Set: "servers6", Key: []string{"fd00:10:244:1::3"}},
	}
	if diff := cmp.Diff(want, isolated); diff != "" || err != nil {
		t.Errorf("isolated: %v (-want +got):\n%s", err, diff)
	}
	for _, step := range []struct {
		in   policy.Input
		want uint32
	}{
		{one, 1},
		{both, 2}, // chains come before what jumps to them
		{none, 1},
		{both, 2},
	} {
		syncs(t, w, step.in, step.want)
		syncs(t, w, step.in, 0)
	}
	// With the bridge's address the table of ports is replaced, in the transaction in which the other one is edited.
	portsTable, policyTable := layouts(one)
	portsTable.Chains = ports.Layout(ports.Bridge{Name: bridge, MAC: [6]byte{2, 9}}, nil).Chains
	before := generation(t)
	if _, err := w.SyncTables(t.Context(), portsTable, policyTable); err != nil || generation(t)-before != 1 {
		t.Errorf("%v, %d transactions", err, generation(t)-before)
	}
	if err := w.RemoveTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rest := namespace.Run(t, "nft list ruleset"); rest != "" {
		t.Errorf("left:\n%s", rest)
	}
	before = generation(t)
	if err := w.RemoveTables(t.Context()); err != nil || generation(t) != before {
		t.Errorf("remove what is absent: %v, %d transactions", err, generation(t)-before)
	}
}

// TestPrivilegedEdits brings the table by an Index's edits to where Compile would have it.
func TestPrivilegedEdits(t *testing.T) {
	w := open(t)
	syncs(t, w, policy.Input{}, 1)
	in := twoPods()
	index := policy.NewIndex()
	index.State()
	for _, n := range in.Namespaces {
		index.SetNamespace(n)
	}
	for _, p := range in.Pods {
		index.SetPod(p)
	}
	for _, a := range in.Attached {
		index.Attach(a)
	}
	portsTable, _ := layouts(in)
	commit := func(ports nft.Edit) {
		t.Helper()
		e := index.Commit()
		if err := w.EditTables(t.Context(), ports, e.Edit, e.Tightens); err != nil {
			t.Fatal(err)
		}
	}
	commit(nft.Edit{Add: portsTable.Elements})
	for _, p := range in.Policies {
		index.SetPolicy(p)
	}
	commit(nft.Edit{})
	syncs(t, w, in, 0)
	index.DeletePolicy("x", "b-in")
	commit(nft.Edit{})
	in.Policies = nil
	syncs(t, w, in, 0)
}

// TestPrivilegedDrift has others change the tables.
func TestPrivilegedDrift(t *testing.T) {
	w, in := open(t), twoPods()
	syncs(t, w, in, 1)
	pokes, _ := watch(t, w)
	for what, commands := range map[string]string{
		"a table deleted":       "nft delete table bridge warren",
		"both flushed":          "nft flush ruleset",
		"an element removed":    "nft delete element inet warren-policy pods4 { 10.244.1.2 }",
		"an element added":      "nft add element bridge warren ports { eth0 }",
		"a chain emptied":       "nft flush chain inet warren-policy forward",
		"a rule added":          "nft insert rule inet warren-policy forward accept",
		"a set added":           "nft add set inet warren-policy mine { type ipv4_addr; }",
		"a base chain added":    "nft add chain bridge warren mine { type filter hook input priority 0; policy drop; }",
		"a base chain's policy": "nft add chain bridge warren from-pods { policy drop; }",
		"a map's element":       "nft delete element inet warren-policy to4 { 10.244.1.3 }",
	} {
		namespace.Run(t, commands)
		<-pokes
		portsTable, policyTable := layouts(in)
		if changed, err := w.SyncTables(t.Context(), portsTable, policyTable); err != nil || !changed {
			t.Errorf("%s: changed %v, %v", what, changed, err)
		}
		syncs(t, w, in, 0)
		drain(pokes)
	}
	namespace.Run(t, "ip link add warren-br0 type bridge")
	<-pokes
	namespace.Run(t, "ip link set warren-br0 address 02:00:00:00:00:07")
	<-pokes
}

// TestPrivilegedPortsMove tells of interfaces that become ports of the bridge, or are none any more, and asks for no
// comparison of the tables.
func TestPrivilegedPortsMove(t *testing.T) {
	w := open(t)
	syncs(t, w, twoPods(), 1)
	namespace.Run(t, "ip link add warren-br0 address 02:00:00:00:00:01 type bridge\n"+
		"ip link add veth1 type veth peer name eth1\nip link set veth1 master warren-br0")
	pokes, moves := watch(t, w)
	for i, step := range []struct {
		what, command string
		want          []string
	}{
		{"at the start", "true", []string{"veth1"}},
		{"it leaves", "ip link set veth1 nomaster", nil},
		{"it comes back", "ip link set veth1 master warren-br0", []string{"veth1"}},
		{"it gets another name", "ip link set veth1 name veth2", []string{"veth2"}},
		{"its interface goes", "ip link delete veth2", nil},
	} {
		namespace.Run(t, step.command)
		// The one comparison that a change of the bridge asks for comes after what was told of before.
		namespace.Run(t, fmt.Sprintf("ip link set warren-br0 address 02:00:00:00:01:%02x", i))
		<-pokes
		if len(moves) == 0 || len(pokes) > 0 {
			t.Errorf("%s: told %d times, and %d comparisons", step.what, len(moves), len(pokes))
		}
		drain(moves)
		if b, err := w.Bridge(); err != nil || !slices.Equal(b.Ports, step.want) {
			t.Errorf("%s: %v, %v; want %v", step.what, b.Ports, err, step.want)
		}
	}
}

// watch runs WatchTables in the calling goroutine's namespace until the test ends.
func watch(t *testing.T, w *Walls) (pokes, moves chan struct{}) {
	t.Helper()
	pokes, moves = make(chan struct{}, 1000), make(chan struct{}, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	own, err := namespace.OpenNet("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		err := own.Enter()
		if err == nil {
			err = w.WatchTables(ctx, func() { pokes <- struct{}{} }, func() { moves <- struct{}{} })
		}
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("watch: %v", err)
		}
		_ = own.Close()
	})
	// It tells of the bridge first, once it is told of everything.
	<-moves
	moves <- struct{}{}
	return pokes, moves
}

func drain(pokes chan struct{}) {
	for {
		select {
		case <-pokes:
		default:
			return
		}
	}
}

func TestPrivilegedSupport(t *testing.T) {
	w := open(t)
	before := generation(t)
	if err := w.PolicySupport(t.Context()); err != nil {
		t.Error(err)
	}
	syncs(t, w, twoPods(), 1)
	if err := w.PolicySupport(t.Context()); err != nil || generation(t)-before != 1 {
		t.Errorf("beside the tables: %v, %d transactions", err, generation(t)-before)
	}
}

// TestPrivilegedFoundPorts reads what is behind the ports of the bridge, and of that only.
func TestPrivilegedFoundPorts(t *testing.T) {
	w := open(t)
	if found, err := w.FoundPorts(); err != nil || len(found) != 0 {
		t.Errorf("without a bridge: %v, %v", found, err)
	}
	wantBridge(t, w, ports.Bridge{Name: bridge})
	namespace.Run(t, "ip link add warren-br0 address 02:00:00:00:00:01 type bridge\nip link add other type bridge")
	for name, master := range map[string]string{"veth1": bridge, "veth2": "other"} {
		pod := namespace.New(t)
		namespace.Run(t, "ip link add "+name+" type veth peer name eth0 netns "+pod.Path())
		namespace.Run(t, "ip link set "+name+" up master "+master)
		pod.Command(t, "ip", "link", "set", "eth0", "up", "address", "02:00:00:00:00:02")
		pod.Command(t, "ip", "address", "add", "10.244.1.2/24", "dev", "eth0")
		pod.Command(t, "ip", "address", "add", "fd00:10:244:1::2/64", "dev", "eth0", "nodad")
	}
	wantBridge(t, w, ports.Bridge{Name: bridge, MAC: bridgeMAC, Ports: []string{"veth1"}})
	found, err := w.FoundPorts()
	if err != nil {
		t.Fatal(err)
	}
	want := []ports.Port{{
		Interface: "veth1", MAC: [6]byte{2, 0, 0, 0, 0, 2},
		Addrs: []netip.Addr{addr("10.244.1.2"), addr("fd00:10:244:1::2")},
	}}
	if d := cmp.Diff(want, found, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("ports (-want +got):\n%s", d)
	}
}

func wantBridge(t *testing.T, w *Walls, want ports.Bridge) {
	t.Helper()
	got, err := w.Bridge()
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("bridge: %v (-want +got)\n%s", err, d)
	}
}

// TestPrivilegedFlushIsOwed has the flush after an edit fail: the next comparison, which finds no difference, forgets
// what was remembered meanwhile.
func TestPrivilegedFlushIsOwed(t *testing.T) {
	n := policyNode(t, false)
	n.tryAll([]try{{what: "allowed", from: "a", network: "tcp", to: of(podB), port: 6379, want: answered}})
	remembered := func() bool {
		return strings.Contains(namespace.Run(t, "nft list set inet warren-policy fresh4"), "elements")
	}
	saved := filepath.Join(t.TempDir(), "table")
	table := namespace.Run(t, "nft list table inet warren-policy")
	if err := os.WriteFile(saved, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	transactions := 0
	w, err := Open(bridge, func(string) {
		if transactions++; transactions == 2 {
			namespace.Run(t, "nft delete table inet warren-policy")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.EditTables(t.Context(), nft.Edit{}, nft.Edit{}, true); err == nil {
		t.Fatal("the table is gone, and emptying its sets succeeds")
	}
	namespace.Run(t, "nft -f "+saved)
	if !remembered() {
		t.Fatal("nothing is remembered")
	}
	state, _ := policy.Compile(n.in)
	b, err := w.Bridge()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		changed, err := w.SyncTables(t.Context(), ports.Layout(b, n.attached()), state.Table)
		if changed != want || err != nil {
			t.Errorf("changed %t, %v; want %t", changed, err, want)
		}
		if remembered() {
			t.Error("what was remembered late is left")
		}
	}
}
