package walls

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
)

// The labels of the namespace "crowd": a policy for pod b lets in those who are admitted, at one port, and no others.
const (
	admitted    = "admitted"
	notAdmitted = "not-admitted"
	crowdPort   = 6379
)

func crowd(label string) policy.Namespace {
	return policy.Namespace{Name: "crowd", Labels: policy.NewLabels(map[string]string{"crowd": label})}
}

// member is a pod of the crowd, on a node of its own.
func member(i int, addrs ...netip.Addr) policy.Pod {
	name := fmt.Sprintf("m%06d", i)
	return policy.Pod{Namespace: "crowd", Name: name, UID: name, Node: "n3", Addrs: addrs}
}

func member4(i int) netip.Addr {
	i += 2
	return netip.AddrFrom4([4]byte{10, 240 + byte(i>>16), byte(i >> 8), byte(i)})
}

func member6(i int) netip.Addr {
	return addr(fmt.Sprintf("fd00:10:240::%x:%x", (i+2)>>16, uint16(i+2)))
}

// crowded is a node with pod b, and with the crowd on another node. The remote machine has the addresses of some of
// its pods. The tables are not written yet.
func crowded(t *testing.T, label string, pods []policy.Pod, some ...netip.Addr) *node {
	t.Helper()
	n := newNode(t, false, podB)
	n.know(podB)
	n.in.Self = "n1"
	n.in.Namespaces = []policy.Namespace{{Name: "x"}, crowd(label)}
	n.in.Nodes = []policy.Node{
		{Name: "n1", PodCIDRs: prefixes("10.244.1.0/24", "fd00:10:244:1::/64")},
		{Name: "n3", PodCIDRs: prefixes("10.240.0.0/14", "fd00:10:240::/64")},
	}
	n.in.Pods = append(n.in.Pods, pods...)
	n.in.Policies = []policy.Policy{{
		Namespace: "x", Name: "db-in", Pods: selects("db"), IsolatesIngress: true,
		Ingress: []policy.Rule{{
			Peers: []policy.Peer{{Namespaces: &policy.Selector{Requirements: []policy.Requirement{
				{Key: "crowd", Operator: policy.In, Values: []string{admitted}},
			}}}},
			Ports: []policy.Port{{Protocol: policy.TCP, Number: crowdPort}},
		}},
	}}
	n.run("node", "ip route add 10.240.0.0/14 via 10.99.0.2\nip route add fd00:10:240::/64 via fd00:99::2")
	for _, ip := range some {
		n.run("remote", fmt.Sprintf("ip address add %v/%d dev lo nodad", ip, ip.BitLen()))
	}
	n.serve("b", crowdPort)
	return n
}

// fromCrowd is a connection from an address of the crowd to pod b, which is answered where it is allowed.
func fromCrowd(source netip.Addr, allowed bool) try {
	c := try{
		what: "from " + source.String(), from: "remote", network: "tcp", to: just(podB.v4()), port: crowdPort,
		want: silent, source: source,
	}
	if source.Is6() {
		c.to = just(podB.v6())
	}
	if allowed {
		c.want = answered
	}
	return c
}

// reach wants connections from these addresses to be answered or not, and Judge to say the same.
func (n *node) reach(allowed bool, sources ...netip.Addr) {
	n.t.Helper()
	var tries []try
	for _, source := range sources {
		c := fromCrowd(source, allowed)
		conn := policy.Connection{Client: source, Server: c.to[0], Protocol: policy.TCP, Port: c.port}
		if d := policy.Judge(n.in, conn); d.Allowed != allowed {
			n.t.Errorf("from %v: Judge says %v", source, d)
		}
		tries = append(tries, c)
	}
	n.tryAll(tries)
}

// compiled wants the kernel's table to be what Compile makes of the input, with so many members of the crowd.
func (n *node) compiled(members int) {
	n.t.Helper()
	state, problems := policy.Compile(n.in)
	count := 0
	for _, e := range state.Table.Elements {
		if strings.HasPrefix(e.Set, "sel-") {
			count++
		}
	}
	if count != members || len(problems) > 0 {
		n.t.Errorf("%d members, want %d; %v", count, members, problems)
	}
	began := time.Now()
	rest, err := difference(n.t.Context(), n.policy, state.Table)
	n.t.Logf("listed and compared, %d members: %v", count, time.Since(began))
	if err != nil || !rest.Empty() {
		n.t.Errorf("the kernel's table lacks %d elements and has %d too many, or is another (%t); %v",
			len(rest.Edit.Add), len(rest.Edit.Remove), rest.Layout != nil, err)
	}
}

// moves writes what has changed, and wants that to be so many elements that come and go, in one transaction. A second
// forgets what was remembered late. The table is not replaced: its counters go on.
func (e edits) moves(add, remove int) {
	e.t.Helper()
	edit := e.Commit()
	others := edit.Edit
	others.Add, others.Remove = nil, nil
	if len(edit.Add) != add || len(edit.Remove) != remove || !others.Empty() {
		e.t.Fatalf("%d elements come and %d go, want %d and %d; beside them %+v", len(edit.Add), len(edit.Remove), add,
			remove, others)
	}
	most := uint32(1)
	if edit.Tightens {
		most = 2
	}
	refusals, before, began := e.refusals(), generation(e.t), time.Now()
	if err := e.EditTables(e.t.Context(), nft.Edit{}, edit.Edit, edit.Tightens); err != nil {
		e.t.Fatal(err)
	}
	e.t.Logf("%d elements added and %d removed: %v", add, remove, time.Since(began))
	if got := generation(e.t) - before; got == 0 || got > most {
		e.t.Errorf("%d transactions, want %d at most", got, most)
	}
	if after := e.refusals(); after < refusals || refusals == 0 {
		e.t.Errorf("%d packets refused, %d before: the table is another", after, refusals)
	}
}

// refusals is how many packets policies of servers have refused.
func (n *node) refusals() uint64 {
	n.t.Helper()
	counters, err := n.PolicyCounters(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return counters[policy.CounterIngress]
}

// TestPrivilegedNamespaceRelabelled has a thousand pods of both families become peers of a policy, and cease to be
// such, by their namespace's label: each time that is one edit, which takes the connections along.
func TestPrivilegedNamespaceRelabelled(t *testing.T) {
	const count = 1000
	var pods []policy.Pod
	for i := range count {
		pods = append(pods, member(i, member4(i), member6(i)))
	}
	ends := []netip.Addr{member4(0), member6(0), member4(count - 1), member6(count - 1)}
	n := crowded(t, notAdmitted, pods, ends...)
	e := n.edits()
	relabel := func(label string) {
		n.in.Namespaces[1] = crowd(label)
		e.SetNamespace(crowd(label))
	}
	n.compiled(0)
	n.reach(false, ends...)

	relabel(admitted)
	e.moves(2*count, 0)
	n.compiled(2 * count)
	n.reach(true, ends...)

	var talking []net.Conn
	for _, source := range ends {
		opens := fromCrowd(source, true)
		c, err := n.dial(opens, opens.to[0])
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		talking = append(talking, c)
	}
	relabel(notAdmitted)
	e.moves(0, 2*count)
	n.compiled(0)
	n.reach(false, ends...)
	for i, c := range talking {
		if got := say(c, silent, 1); got != silent {
			t.Errorf("a connection from %v goes on: %s", ends[i], got)
		}
	}
}

// TestPrivilegedLargeSet writes a set with 150,000 members and finds it as it was written. One that goes, and one that
// comes, is a transaction of one element.
func TestPrivilegedLargeSet(t *testing.T) {
	const count = 150_000
	var pods []policy.Pod
	for i := range count {
		pods = append(pods, member(i, member4(i)))
	}
	first, last, next := member4(0), member4(count-1), member4(count)
	n := crowded(t, admitted, pods, first, last, next)
	began := time.Now()
	e := n.edits()
	t.Logf("indexed and written, %d members: %v", count, time.Since(began))
	n.compiled(count)
	n.reach(true, first, last)
	n.reach(false, next)

	gone := n.in.Pods[len(n.in.Pods)-1]
	n.in.Pods = n.in.Pods[:len(n.in.Pods)-1]
	e.DeletePod(gone.Namespace, gone.Name)
	e.moves(0, 1)
	n.reach(true, first)
	n.reach(false, last, next)

	n.in.Pods = append(n.in.Pods, member(count, next))
	e.SetPod(member(count, next))
	e.moves(1, 0)
	n.reach(true, first, next)
	n.reach(false, last)
	n.compiled(count)
}
