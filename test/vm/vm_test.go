package vm

import (
	"cmp"
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

// pattern narrows what runs in the guests, for who works on one test.
var pattern = flag.String("guest.run", "", "run the guests' tests that match, instead of those chosen here")

// Time-outs of a guest's package, several times what a busy machine of two cores takes; a guest's is twice that.
const (
	patience     = 15 * time.Minute
	longPatience = time.Hour
)

// all matches every test that is for a guest.
const all = "^TestPrivileged"

// What every run of CI has the time for, under emulation, is about WireGuard's device and about pods: on the newest kernel with the contract
// but for what other parts of a host are repaired, and with what is about many peers and other devices, on the old one with the course of
// a host's life out of the contract.
const (
	device    = "HostContract|AllowedIPs[A-Za-z]+|Sessions[A-Za-z]+|Kick|UnderlayChanges|Golden|OddRoutes|ForeignKey|Remove[A-Za-z]*|Refusals|Choose"
	newest    = all + "(" + device + "|KickMany|SwitchToBest|ChooseTriesNothingTwice)$"
	oldest    = all + "(" + device + ")$/(an empty host|a second application|a restart|the mesh changes|the node gets|only what is stale|mode|type|port|key)"
	meshes    = all + "(Matrix|DaemonsEndAndReturn|Membership|LongSwitch)$"
	elsewhere = "/(a bridge|one failure|one node costs)|/what others change/(address|route|rule|node address)"
)

func TestPrivilegedKernels(t *testing.T) {
	meshtest.Privileged(t)
	i := newImage(t)
	i.testKernel(t, Linux612, patience, suites{{"mesh/linux", newest, elsewhere}, {"cni", all, ""}})
	i.testKernel(t, Linux61, patience, suites{{"mesh/linux", oldest, ""}, {"cni", all, ""}})
}

// On every kernel, all that there is, and meshes of three nodes with a real API server, whose daemons come and go.
func TestPrivilegedLongKernels(t *testing.T) {
	meshtest.Privileged(t)
	i := newImage(t)
	for _, k := range []Kernel{Linux612, Linux61} {
		i.testKernel(t, k, longPatience, suites{
			{"mesh/linux", all, ""}, {"mesh/guard", all, ""}, {"mesh/nft", all, ""}, {"cni", all, ""}, {"test/e2e", meshes, ""},
		})
	}
}

// suites are packages, by directory, and which of their tests run, but for some.
type suites []struct{ dir, run, skip string }

func (s suites) suites(timeout time.Duration) (all []suite) {
	for _, one := range s {
		args := []string{"-test.run=" + cmp.Or(*pattern, one.run), "-test.skip=" + one.skip, "-test.timeout=" + timeout.String()}
		if whole(one.dir) {
			// API servers side by side take longer to start than one after the other.
			args = append(args, "-test.parallel=1")
		}
		all = append(all, suite{dir: one.dir, timeout: timeout + 10*time.Second, args: args})
	}
	return all
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

// testKernel boots a kernel and has what the guest says of its tests be subtests of t.
func (i image) testKernel(t *testing.T, k Kernel, timeout time.Duration, tests suites) {
	t.Helper()
	i.suites = tests.suites(timeout)
	t.Run(k.Series, func(t *testing.T) {
		m := i.machine(t, k)
		m.timeout = 2 * timeout
		begin := time.Now()
		outcome, err := m.run(t.Context())
		t.Logf("the machine ended after %v; its console is %s", time.Since(begin).Round(time.Millisecond), m.console())
		if err != nil {
			t.Error(err)
		}
		judge(t, i.suites, outcome)
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

// judge fails what has no verdict: a package, a test, the machine.
func judge(t *testing.T, suites []suite, outcome []byte) {
	t.Helper()
	all, done := sections(outcome)
	if !done {
		t.Error("the guest has not come to its end")
	}
	if len(all) != len(suites) {
		t.Errorf("%d packages ran, want %d", len(all), len(suites))
	}
	for _, s := range all {
		t.Run(s.pkg, func(t *testing.T) { s.replay(t.Context(), t) })
	}
}

func (s section) replay(ctx context.Context, t *testing.T) {
	t.Helper()
	events, err := s.events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := results(events)
	r.replay(t)
	if len(r.subs) == 0 {
		t.Error("no test ran")
	}
	if s.verdict != guest.OK {
		t.Errorf("the test binary: %q, having said:\n%s", s.verdict, r.output)
	}
}
