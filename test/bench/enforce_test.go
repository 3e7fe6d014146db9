package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"warren.mesh/cni/gate"
	"warren.mesh/mesh"
	"warren.mesh/mesh/enforce"
	"warren.mesh/mesh/linux/walls"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/mesh/status"
	"warren.mesh/test/lab/namespace"
)

// localPods are as many as a node has at most by default.
const localPods = 110

// keeper is a daemon's pass over policies, on the kernel's tables in a namespace of its own. Its pods are known by
// their records only: nobody has attached them.
type keeper struct {
	*enforce.Enforcer
	host  *kernel
	board *status.Board
	stop  func()
}

// kernel has the tables of a namespace, and tells when they have been written.
type kernel struct {
	*walls.Walls
	net *namespace.Net
	// written is sent each write of the tables that has ended, with how long it took.
	written chan time.Duration
}

func (k *kernel) PolicySupport(ctx context.Context) error {
	return k.net.Do(func() error { return k.Walls.PolicySupport(ctx) })
}

func (k *kernel) Bridge() (ports.Bridge, error) {
	return ports.Bridge{Name: "warren-br0", MAC: [6]byte{2, 0, 0, 0, 0, 1}}, nil
}

func (k *kernel) SyncTables(ctx context.Context, ports, policies nft.Layout) (changed bool, err error) {
	begin := time.Now()
	err = k.net.Do(func() error {
		changed, err = k.Walls.SyncTables(ctx, ports, policies)
		return err
	})
	k.written <- time.Since(begin)
	return changed, err
}

func (k *kernel) EditTables(ctx context.Context, ports, policies nft.Edit, tightens bool) error {
	begin := time.Now()
	err := k.net.Do(func() error { return k.Walls.EditTables(ctx, ports, policies, tightens) })
	k.written <- time.Since(begin)
	return err
}

func (k *kernel) WatchTables(ctx context.Context, changed, moved func()) error {
	return k.net.Do(func() error { return k.Walls.WatchTables(ctx, changed, moved) })
}

func (k *kernel) Forget(addrs []netip.Addr) error {
	return k.net.Do(func() error { return k.Walls.Forget(addrs) })
}

// listed is a cluster of which everything has been read, of one node.
type listed struct{}

func (listed) Synced() bool               { return true }
func (listed) Waiting() string            { return "" }
func (listed) Problems() []policy.Problem { return nil }
func (listed) Nodes() []mesh.Node {
	return []mesh.Node{
		{Name: "node1", NodeIPs: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
			PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/20")}},
		{Name: "node2", NodeIPs: []netip.Addr{netip.MustParseAddr("192.0.2.2")},
			PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.245.0.0/16")}},
	}
}

// recorded are the local pods' attachments.
type recorded struct{}

func (recorded) Put(gate.Attachment) error         { return nil }
func (recorded) Delete(string, string) error       { return nil }
func (recorded) Addrs(string, string) []netip.Addr { return nil }
func (recorded) Load() (all []gate.Attachment, problems []error) {
	for i := range localPods {
		p := localPod(i)
		all = append(all, gate.Attachment{
			Container: p.UID, Interface: "eth0", Namespace: p.Namespace, Name: p.Name, UID: p.UID,
			Port: fmt.Sprint("veth", i), MAC: fmt.Sprintf("02:00:00:00:01:%02x", i), Addrs: p.Addrs,
		})
	}
	return all, nil
}

func localPod(i int) policy.Pod {
	return policy.Pod{
		Namespace: "x", Name: fmt.Sprint("local", i), UID: fmt.Sprint("l", i), Node: "node1",
		Labels: policy.NewLabels(map[string]string{"app": fmt.Sprint(i)}),
		Addrs:  []netip.Addr{netip.AddrFrom4([4]byte{10, 244, 0, byte(2 + i)})},
	}
}

// remotePod is one that policy i lets in, or not any more.
func remotePod(i int, in bool) policy.Pod {
	role := fmt.Sprint(i)
	if !in {
		role = "none"
	}
	return policy.Pod{
		Namespace: "x", Name: fmt.Sprint("remote", i), UID: fmt.Sprint("r", i), Node: "node2",
		Labels: policy.NewLabels(map[string]string{"role": role}),
		Addrs:  []netip.Addr{netip.AddrFrom4([4]byte{10, 245, byte(i >> 8), byte(i)})},
	}
}

// letsIn is policy i: it isolates one of the local pods, and lets one remote pod in.
func letsIn(i int) policy.Policy {
	peer := selecting("role", fmt.Sprint(i))
	return policy.Policy{
		Namespace: "x", Name: fmt.Sprintf("p%05d", i), IsolatesIngress: true,
		Pods: selecting("app", fmt.Sprint(i%localPods)),
		Ingress: []policy.Rule{{
			Peers: []policy.Peer{{Pods: &peer}}, Ports: []policy.Port{{Protocol: policy.TCP, Number: 80}},
		}},
	}
}

// newKernel makes a namespace with no tables.
func newKernel(b *testing.B) *kernel {
	b.Helper()
	k := &kernel{net: namespace.New(b), written: make(chan time.Duration, 1000)}
	err := k.net.Do(func() (err error) {
		namespace.Quiet(b)
		namespace.Run(b, "ip link add warren-br0 address 02:00:00:00:00:01 type bridge")
		k.Walls, err = walls.Open("warren-br0", func(string) {})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return k
}

// start starts a daemon's pass with so many policies, and returns how long it took until the tables were as they should
// be: in all, and of that in the kernel.
func start(b *testing.B, on *kernel, policies int) (k *keeper, all, written time.Duration) {
	b.Helper()
	k = &keeper{host: on}
	on.written = make(chan time.Duration, 1000) // without what an earlier pass has written
	k.board = status.NewBoard(status.Snapshot{Enforcement: status.Enforcement{On: true}},
		func(status.Snapshot, status.Snapshot) {})
	k.Enforcer = enforce.New(enforce.Config{
		Node: "node1", Cluster: listed{}, Host: on, Index: policy.NewIndex(),
		Records: recorded{}, Status: k.board,
	})
	begin := time.Now()
	k.SetNamespace(policy.Namespace{Name: "x"})
	for i := range localPods {
		k.SetPod(localPod(i))
	}
	for i := range policies {
		k.SetPod(remotePod(i, true))
		k.SetPolicy(letsIn(i))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { k.Run(ctx); close(ended) }()
	k.stop = func() { cancel(); <-ended }
	written = <-on.written
	return k, time.Since(begin), written
}

// BenchmarkPolicyStart is what a node takes from nothing to all of its policies in the kernel, with 110 pods, from when
// the lists have been read. A daemon that starts again writes nothing: if it does, this fails.
func BenchmarkPolicyStart(b *testing.B) {
	meshtest.Privileged(b)
	for _, policies := range []int{110, 5000} {
		b.Run(fmt.Sprintf("policies=%d", policies), func(b *testing.B) {
			for b.Loop() {
				var fresh, kernel, again []float64
				for range starts {
					host := newKernel(b)
					k, took, written := start(b, host, policies)
					k.stop()
					fresh, kernel = append(fresh, took.Seconds()), append(kernel, written.Seconds())
					k, took, _ = start(b, host, policies)
					k.stop()
					again = append(again, took.Seconds())
					if e := k.board.Snapshot().Enforcement; e.Edits != 0 || e.Isolated != localPods {
						b.Fatalf("a restart: %d writes, %d isolated pods", e.Edits, e.Isolated)
					}
				}
				b.ReportMetric(median(fresh), "fresh-s")
				b.ReportMetric(median(kernel), "fresh-kernel-s")
				b.ReportMetric(median(again), "restart-s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

const (
	// starts are how many medians are of.
	starts = 5
	// events are how many each node gets, one after another.
	events = 100
	// services are as many as a large cluster has.
	services = 10_000
)

// BenchmarkPolicyEvents measures from a pod's event until the kernel's tables have what follows, the pause of 20 ms
// included in which a pass waits for more: a remote pod's label comes or goes, which lets it in or no longer. On one
// node with few policies, on one with many, and on one with many beside kube-proxy's rules; the nodes get their events
// in turns.
func BenchmarkPolicyEvents(b *testing.B) {
	meshtest.Privileged(b)
	nodes := map[string]*keeper{}
	for name, policies := range map[string]int{"110": 110, "5000": 5000, "5000-beside-services": 5000} {
		host := newKernel(b)
		if strings.HasSuffix(name, "services") {
			proxyServices(b, host.net, services)
		}
		k, _, _ := start(b, host, policies)
		b.Cleanup(k.stop)
		nodes[name] = k
	}
	for b.Loop() {
		took, writes := map[string][]float64{}, map[string][]float64{}
		for event := range events {
			for name, k := range nodes {
				begin := time.Now()
				k.SetPod(remotePod(event/2, event%2 == 1))
				write := <-k.host.written
				took[name] = append(took[name], milliseconds(time.Since(begin)))
				writes[name] = append(writes[name], milliseconds(write))
			}
		}
		for name := range nodes {
			b.ReportMetric(percentile(50, took[name]), name+"-ms/p50")
			b.ReportMetric(percentile(99, took[name]), name+"-ms/p99")
			b.ReportMetric(percentile(50, writes[name]), name+"-kernel-ms/p50")
		}
		b.ReportMetric(percentile(50, took["5000"])/percentile(50, took["110"]), "ratio-5000-to-110")
		beside := percentile(50, took["5000-beside-services"])
		b.ReportMetric(beside/percentile(50, took["5000"]), "ratio-beside-services")
	}
	b.ReportMetric(0, "ns/op")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// proxyServices writes what kube-proxy writes in its nftables mode (pkg/proxy/nftables of Kubernetes) for so many
// Services of one endpoint each, but for the choice among endpoints: an anonymous map in each chain takes the kernel
// minutes to load.
func proxyServices(b *testing.B, where *namespace.Net, count int) {
	b.Helper()
	var rules strings.Builder
	rules.WriteString(`table ip kube-proxy {
	chain mark-for-masquerade { meta mark set meta mark | 0x4000; }
`)
	for i := range count {
		fmt.Fprintf(&rules, `	chain endpoint-%[1]d { ip saddr 10.245.%[2]d.%[3]d jump mark-for-masquerade
		meta l4proto tcp dnat to 10.245.%[2]d.%[3]d:80; }
	chain service-%[1]d { ip daddr 10.96.%[2]d.%[3]d tcp dport 80 ip saddr != 10.244.0.0/14 jump mark-for-masquerade
		goto endpoint-%[1]d; }
`, i, i>>8, i&255)
	}
	rules.WriteString("	map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = {\n")
	for i := range count {
		fmt.Fprintf(&rules, "\t\t10.96.%d.%d . tcp . 80 : goto service-%d,\n", i>>8, i&255, i)
	}
	rules.WriteString(`	} }
	chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
	chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
}
`)
	err := where.Do(func() error {
		load := exec.Command("nft", "-f", "-")
		load.Stdin = strings.NewReader(rules.String())
		out, err := load.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %.500s", err, out)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
