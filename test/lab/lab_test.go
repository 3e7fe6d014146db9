package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/audit"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/machine"
	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/lab/tb"
)

// Everything that a lab has before warren comes: nodes, their router, the outside, an API server that hands out pod
// CIDRs.
func TestPrivilegedFamilies(t *testing.T) {
	meshtest.Privileged(t)
	for _, o := range []Options{
		{Nodes: 2, Family: IPv4, RPFilter: Strict},
		{Nodes: 2, Family: IPv6, RPFilter: Off},
		{Nodes: 2, Family: Dual, MTU: 1400},
	} {
		t.Run(o.Family.String(), func(t *testing.T) {
			l := Start(t, o)
			n := l.Node(1)
			if got, want := len(n.Addrs()), len(l.ClusterCIDRs()); got != want {
				t.Errorf("the node has %d addresses, want %d", got, want)
			}
			testReach(t, n, l.Node(2).Host, l.Outside, l.Control)
			testPodCIDRs(t, l)
			testSysctls(t, n, o)
			testCredential(t, n)
		})
	}
}

// testReach has n reach others under its own address, in every family.
func testReach(t *testing.T, n *Node, others ...*host.Host) {
	t.Helper()
	for _, to := range others {
		for _, addr := range to.Addrs() {
			if _, err := n.Ping(addr); err != nil {
				t.Error(err)
			}
			for what, ask := range map[string]func(netip.AddrPort) (netip.AddrPort, error){"HTTP": n.Get,
				"UDP": n.Probe} {
				if seen, err := ask(to.Echo(addr)); err != nil || seen.Addr() != n.Addr(addr) {
					t.Errorf("%s saw %v, %v over %s; want %v", to.Name, seen, err, what, n.Addr(addr))
				}
			}
		}
	}
}

func testPodCIDRs(t *testing.T, l *Lab) {
	t.Helper()
	var all []netip.Prefix
	for _, n := range l.Nodes() {
		cidrs := n.PodCIDRs(t)
		if len(cidrs) != len(l.ClusterCIDRs()) {
			t.Errorf("%s has the pod CIDRs %v", n.Name, cidrs)
		}
		for i, cidr := range cidrs {
			if !l.ClusterCIDRs()[i].Overlaps(cidr) || slices.Contains(all, cidr) {
				t.Errorf("%s has the pod CIDR %v", n.Name, cidr)
			}
		}
		all = append(all, cidrs...)
	}
}

func testSysctls(t *testing.T, n *Node, o Options) {
	t.Helper()
	for _, nic := range []string{"all", "default"} {
		got := strings.TrimSpace(n.MustExec(t, "cat", "/proc/sys/net/ipv4/conf/"+nic+"/rp_filter"))
		if got != o.RPFilter.String() {
			t.Errorf("rp_filter of %s is %s, want %v", nic, got, o.RPFilter)
		}
	}
	// What the daemon must do itself.
	if got := strings.TrimSpace(n.MustExec(t, "cat", "/proc/sys/net/ipv4/ip_forward")); got != "0" {
		t.Errorf("the node forwards already: %s", got)
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	var mtu int
	if err := json.Unmarshal([]byte(n.MustExec(t, "cat", "/sys/class/net/"+nicName+"/mtu")), &mtu); err != nil ||
		mtu != o.MTU {
		t.Errorf("the MTU is %d, %v; want %d", mtu, err, o.MTU)
	}
}

// The daemon's token names its node, and may do what the manifests say and no more; the audit log tells.
func testCredential(t *testing.T, n *Node) {
	t.Helper()
	kubeconfig, err := n.credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kubectl := func(args ...string) (string, error) {
		return n.Exec(n.lab.programs.Component("kubectl"),
			append([]string{"--kubeconfig=" + kubeconfig, "--cache-dir=" + t.TempDir()}, args...)...)
	}
	if out, err := kubectl("auth", "whoami", "-o", "json"); err != nil || !strings.Contains(out, `"`+n.Name+`"`) {
		t.Errorf("the token does not name %s: %s %v", n.Name, out, err)
	}
	if out, err := kubectl("annotate", "node", n.Name, "a=b"); err == nil {
		t.Errorf("the token may get nodes: %s", out)
	}
	if out, err := kubectl("get", "nodes"); err != nil {
		t.Errorf("the token may not list nodes: %s %v", out, err)
	}
	var got []audit.Request
	for _, r := range n.lab.Audit(t) {
		if r.Resource == "nodes" {
			r.Time = time.Time{}
			got = append(got, r)
		}
	}
	const warren = "system:serviceaccount:kube-system:warren"
	want := []audit.Request{
		{User: warren, Node: n.Name, Verb: "get", Resource: "nodes", Name: n.Name, Code: 403},
		{User: warren, Node: n.Name, Verb: "list", Resource: "nodes", Code: 200},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the audit log (-want +got):\n%s", diff)
	}
}

// crashEnv makes this test's process the one that crashes.
const crashEnv = "WARREN_LAB_CRASH"

// A process that starts a lab and is killed leaves nothing running, and its lab's name is free.
func TestPrivilegedCrash(t *testing.T) {
	meshtest.Privileged(t)
	name := Options{}.complete(t.Name()).Name
	if os.Getenv(crashEnv) != "" {
		Start(t, Options{Name: name, Nodes: 1})
		os.Stdout.WriteString("started\n")
		select {}
	}
	crashing := exec.Command(os.Args[0], "-test.run=^TestPrivilegedCrash$", "-test.v")
	crashing.Env = append(os.Environ(), crashEnv+"=1")
	out, err := crashing.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := crashing.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, out, "started\n")
	left, err := load(name)
	if err != nil {
		t.Fatal(err)
	}
	for name, first := range left.Machines {
		if !first.Alive() {
			t.Errorf("%s does not run", name)
		}
	}
	if err := crashing.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = crashing.Wait()
	Wait(t, machine.KillTimeout, "the machines to end", func() error { return runs(left.Machines) })

	l := Start(t, Options{Name: name, Nodes: 1})
	testReach(t, l.Node(1), l.Outside)
}

func waitFor(t *testing.T, out interface{ Read([]byte) (int, error) }, want string) {
	t.Helper()
	var said []byte
	b := make([]byte, 4096)
	for !bytes.Contains(said, []byte(want)) {
		n, err := out.Read(b)
		said = append(said, b[:n]...)
		if err != nil {
			t.Fatalf("it ended, saying %s", said)
		}
	}
}

// runs is an error while any of these runs.
func runs(machines map[string]namespace.Identity) error {
	for name, first := range machines {
		if first.Alive() {
			return &running{name}
		}
	}
	return nil
}

type running struct{ name string }

func (r *running) Error() string { return r.name + " still runs" }

// Two labs have the same addresses and do not know of each other; one that is kept goes on until Down, for other
// processes too.
func TestPrivilegedSideBySide(t *testing.T) {
	meshtest.Privileged(t)
	before := rootNetwork(t)
	name := Options{}.complete(t.Name() + "-kept").Name
	t.Cleanup(func() {
		if err := Down(name); err != nil {
			t.Error(err)
		}
	})
	t.Run("kept", func(t *testing.T) { Start(t, Options{Name: name, Nodes: 1, Keep: true}) })
	second := Start(t, Options{Nodes: 1})
	kept, err := load(name)
	if err != nil || runs(kept.Machines) == nil {
		t.Fatalf("the first lab does not go on: %v", err)
	}
	testReach(t, second.Node(1), second.Outside)
	if after := rootNetwork(t); after != before {
		t.Errorf("the root namespace's network has changed:\n%s\nbefore:\n%s", after, before)
	}

	if err := Enter(name, "node1", []string{"ping", "-c1", controlIPs[0].String()}); err != nil {
		t.Errorf("the kept lab's node cannot reach its router: %v", err)
	}
	if err := Down(name); err != nil {
		t.Fatal(err)
	}
	if err := runs(kept.Machines); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(directory(name)); !os.IsNotExist(err) {
		t.Errorf("its files are still there: %v", err)
	}
	if err := Enter(name, "node1", []string{"true"}); err == nil {
		t.Error("a machine of a lab that is down was entered")
	}
	testReach(t, second.Node(1), second.Outside)
}

// rootNetwork is what labs must not change.
func rootNetwork(t *testing.T) string {
	t.Helper()
	var all []string
	for _, args := range [][]string{{"rule"}, {"route", "show", "table", "all"},
		{"-6", "route", "show", "table", "all"}} {
		out, err := exec.Command("ip", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
		// A route of a router advertisement counts down.
		all = append(all, regexp.MustCompile(` expires \d+sec`).ReplaceAllString(string(out), ""))
	}
	forward, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(all, string(forward)), "\n")
}

// A lab that cannot start says why, and leaves nothing but its logs.
func TestPrivilegedStartFails(t *testing.T) {
	meshtest.Privileged(t)
	name := Options{}.complete(t.Name()).Name
	t.Run("start", func(t *testing.T) {
		failures := tb.Record(t, func(t TB) { Start(t, Options{Name: name, Nodes: 1, MTU: 10}) })
		if len(failures) == 0 || !strings.Contains(failures[0], "start lab "+name) {
			t.Errorf("it failed with %q", failures)
		}
	})
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range lines {
		// Processes come and go.
		if line, err := os.ReadFile(file); err == nil && bytes.Contains(line, []byte(directory(name))) {
			t.Errorf("there is still %q", line)
		}
	}
	if err := Down(name); err != nil {
		t.Error(err)
	}
}

// A lab whose test failed leaves its logs, and no record of machines whose PIDs others may have by now.
func TestPrivilegedFailedLabIsForgotten(t *testing.T) {
	meshtest.Privileged(t)
	name := Options{}.complete(t.Name()).Name
	t.Run("fail", func(t *testing.T) {
		failures := tb.Record(t, func(t TB) {
			Start(t, Options{Name: name, Nodes: 1})
			t.Errorf("fail")
		})
		if _, err := load(name); err != nil || len(failures) != 1 {
			t.Errorf("it failed with %q; while it runs: %v", failures, err)
		}
	})
	if s, err := load(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its record holds %v, and the error is %v", s, err)
	}
	if _, err := os.Stat(filepath.Join(directory(name), "logs", "node1.log")); err != nil {
		t.Error(err)
	}
	if err := Down(name); err != nil {
		t.Error(err)
	}
}
