package vm

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/artifact"
	"warren.mesh/test/vm/guest"
)

// pattern narrows what runs in the guests, for someone who works on one test.
var pattern = flag.String("guest.run", "", "run the guests' tests that match, instead of those selected here")

// Time-outs of a guest's package, several times what a busy machine of two cores takes; a guest's is twice that.
const (
	patience     = 15 * time.Minute
	longPatience = time.Hour
)

// device are the tests of mesh/linux that are about WireGuard's device.
var device = []string{
	"HostContract", "AllowedIPs", "Sessions", "InitiateHandshakes", "UnderlayChanges", "Golden", "OddRoutes",
	"ForeignKey", "Remove", "Refusals", "Choose",
}

// The short lane has the time for WireGuard's device, for pods and for the policies between them, under emulation. The
// newest kernel has the whole contract but for the repair of a host's other parts, and the tests with other devices and
// many peers; the old one has the course of a host's life out of the contract.
var (
	newest = []selection{
		{
			dir: "mesh/linux", tests: append([]string{"SwitchToBest", "UnansweredPeers"}, device...),
			without: []string{
				"InitiateHandshakesWhileBusy", "/a bridge", "/one failure", "/one node costs",
				"/what others change/address", "/what others change/route", "/what others change/rule",
				"/what others change/one rule", "/what others change/another rule",
				"/what others change/others' routes", "/what others change/node address",
				"/what others change/bridge", "/what others change/IPv",
				"/what others change/src_valid_mark", "/what others change/forwarding off",
			},
		},
		{dir: "cni"},
		{dir: "mesh/linux/walls", tests: []string{"Support", "Policies", "SCTP"}},
	}
	oldest = []selection{
		{
			dir: "mesh/linux", tests: append([]string{"ClockSetBack"}, device...),
			without: []string{"InitiateHandshakesMany", "InitiateHandshakesWhileBusy", "ChooseTriesNothingTwice"},
			subtests: []string{
				"an empty host", "a second application", "a restart", "the mesh changes", "the node gets",
				"only what is stale", "what an earlier version", "port taken",
			},
		},
		{dir: "cni"},
		{dir: "mesh/linux/walls", tests: []string{"Support", "SCTP"}},
		{dir: "mesh/guard", tests: []string{"IPVS"}},
	}
)

// everything selects all tests of a host's network, and meshes of three nodes with a real API server, whose daemons
// come and go.
func everything(t *testing.T) []selection {
	t.Helper()
	var all []selection
	for _, dir := range hostPackages(t) {
		each := selection{dir: dir}
		if dir == "mesh/linux/walls" {
			each.without = []string{"LargeSet"} // It passes too, in 9 minutes under emulation (2026-11-29).
		}
		all = append(all, each)
	}
	return append(all, selection{dir: "test/e2e",
		tests: []string{"Matrix", "DaemonsEndAndReturn", "Membership", "Ping", "LongSwitch"}})
}

func TestPrivilegedKernels(t *testing.T) {
	meshtest.Privileged(t)
	i := newImage(t)
	// A machine uses hardly more than one processor. Each takes 1 GiB of memory, of which the long lane's takes 4.
	i.together = true
	i.testKernel(t, Linux612, patience, newest)
	i.testKernel(t, Linux61, patience, oldest)
}

func TestPrivilegedLongKernels(t *testing.T) {
	meshtest.Privileged(t)
	i := newImage(t)
	for _, k := range []Kernel{Linux612, Linux61} {
		i.testKernel(t, k, longPatience, everything(t))
	}
}

func newImage(t testing.TB) image {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := artifact.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	return image{root: root, work: t.TempDir(), cache: artifact.Cache{Dir: dir, Progress: t.Logf}}
}

// testKernel boots a kernel and makes the guest's tests subtests of t.
func (i image) testKernel(t *testing.T, k Kernel, timeout time.Duration, tests []selection) {
	t.Helper()
	i.suites = nil
	for _, s := range tests {
		i.suites = append(i.suites, s.suite(timeout))
	}
	t.Run(k.Series, func(t *testing.T) {
		m := i.machine(t, k) // One after the other: they are made of the same programs, built in one place.
		if i.together {
			t.Parallel()
		}
		m.timeout = 2 * timeout
		begin := time.Now()
		outcome, err := m.run(t.Context())
		t.Logf("the machine ended after %v; its console is %s", time.Since(begin).Round(time.Millisecond), m.console())
		if err != nil {
			t.Error(err)
		}
		judge(t, tests, outcome)
	})
}

// machine has the kernel, and the image made for it.
func (i image) machine(t testing.TB, k Kernel) machine {
	t.Helper()
	var err error
	if i.kernel, err = k.fetch(t.Context(), i.cache); err != nil {
		t.Fatal(err)
	}
	m := machine{
		kernel: filepath.Join(i.kernel, imageFile), dir: filepath.Join(i.root, "bin", "vm", k.Series),
		memory: "1G",
	}
	if i.hasLab() {
		m.memory = "4G"
	}
	m.initramfs = filepath.Join(m.dir, "initramfs")
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := i.write(t.Context(), m.initramfs); err != nil {
		t.Fatal(err)
	}
	return m
}

// judge fails where something has no verdict: a package, a test, the machine.
func judge(t *testing.T, tests []selection, outcome []byte) {
	t.Helper()
	all, done := sections(outcome)
	if !done {
		t.Error("the guest has not come to its end")
	}
	if len(all) != len(tests) {
		t.Fatalf("%d packages ran, want %d", len(all), len(tests))
	}
	for n, s := range all {
		t.Run(s.pkg, func(t *testing.T) { s.replay(t.Context(), t, tests[n]) })
	}
}

func (s section) replay(ctx context.Context, t *testing.T, selected selection) {
	t.Helper()
	events, err := s.events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := results(events)
	r.replay(t)
	if names := selected.missing(r); len(r.subs) == 0 || *pattern == "" && len(names) > 0 {
		t.Errorf("of %d tests that ran, none begins with %q", len(r.subs), names)
	}
	if s.verdict != guest.OK {
		t.Errorf("the test binary: %q, having said:\n%s", s.verdict, r.output)
	}
}
