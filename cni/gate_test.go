package cni_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni"
	"warren.mesh/cni/gate"
	"warren.mesh/mesh/meshtest"
)

// daemon is a model of the daemon that lets every pod through.
type daemon struct {
	sync.Mutex
	known map[string]gate.Attachment
	err   error
}

func (d *daemon) do(change func()) error {
	d.Lock()
	defer d.Unlock()
	if d.err == nil {
		change()
	}
	return d.err
}

func (d *daemon) Attach(_ context.Context, a gate.Attachment) error {
	return d.do(func() { d.known[a.Container] = a })
}

func (d *daemon) Detach(_ context.Context, container, _ string) error {
	return d.do(func() { delete(d.known, container) })
}

func (d *daemon) Check(_ context.Context, a gate.Attachment) (err error) {
	return errors.Join(d.do(func() {
		if !cmp.Equal(d.known[a.Container], a, sameAddr) {
			err = errors.New("it is not known")
		}
	}), err)
}

func (d *daemon) Ready(context.Context) error { return d.do(func() {}) }

func (d *daemon) Keep(_ context.Context, containers []string) error {
	return d.do(func() {
		for id := range d.known {
			if !slices.Contains(containers, id) {
				delete(d.known, id)
			}
		}
	})
}

// attached returns what is known, by container.
func (d *daemon) attached() map[string]gate.Attachment {
	d.Lock()
	defer d.Unlock()
	return d.known
}

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// serve serves d until stop is called.
func (d *daemon) serve(t testing.TB, c cni.Configuration) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- gate.Server{RunDir: c.RunDir, Daemon: d, Log: slog.New(slog.DiscardHandler)}.Serve(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// withGate turns the gate on, as an upgrade of the daemon does.
func (m *machine) withGate(t testing.TB) {
	t.Helper()
	m.configuration.Gate = true
	if !configure(t, m.configuration, 1380) {
		t.Fatal("the configuration has not changed")
	}
	m.load(t)
}

// args are what a kubelet's runtime says of the pod.
func (p pod) args() pod {
	p.conf.Args = [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", "default"},
		{"K8S_POD_NAME", p.conf.ContainerID}, {"K8S_POD_UID", "u-" + p.conf.ContainerID}}
	return p
}

// The real plugins, with the gate behind them, tell the daemon what libcni keeps too. Pods from before the gate are
// among that, are found by the daemon and detached like others.
func TestPrivilegedGate(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	ctx := t.Context()
	old := newPod(t, "old").args()
	m.attach(t, old)
	m.withGate(t)
	d := &daemon{known: map[string]gate.Attachment{}}
	adopted, problems := m.configuration.Attachments()
	if len(adopted) != 1 || adopted[0].Name != "old" || problems != nil {
		t.Fatalf("adopted %v, problems %v", adopted, problems)
	}
	d.known["old"] = adopted[0]
	stop := d.serve(t, m.configuration)

	a := newPod(t, "a").args()
	addrs := m.attach(t, a)
	got := d.attached()["a"]
	if !slices.Equal(addrs, got.Addrs) || got.UID != "u-a" || got.MAC != hardware(t, a) {
		t.Errorf("a has %v and %s, the daemon was told %+v", addrs, hardware(t, a), got)
	}
	if _, err := net.InterfaceByName(got.Port); err != nil {
		t.Errorf("the port that the daemon was told: %v", err)
	}
	cached, problems := m.configuration.Attachments()
	if diff := cmp.Diff([]gate.Attachment{got, adopted[0]}, cached, sameAddr); diff != "" || problems != nil {
		t.Errorf("problems %v; libcni's cache (-told +cached):\n%s", problems, diff)
	}
	for _, p := range []pod{old, a} {
		if err := m.runtime.CheckNetworkList(ctx, m.list, p.conf); err != nil {
			t.Errorf("CHECK of %s: %v", p.conf.ContainerID, err)
		}
	}
	if err := m.runtime.GetStatusNetworkList(ctx, m.list); err != nil {
		t.Errorf("STATUS: %v", err)
	}
	m.detach(t, old)
	stop()
	m.detach(t, a) // The daemon is down.
	d.serve(t, m.configuration)
	if err := m.runtime.GetStatusNetworkList(ctx, m.list); err != nil {
		t.Errorf("STATUS: %v", err)
	}
	if left := d.attached(); len(left) > 0 {
		t.Errorf("the daemon still knows %v", left)
	}
	if strays, err := m.configuration.Strays(nil); err != nil || len(strays) > 0 {
		t.Errorf("reservations left: %v, %v", strays, err)
	}
}

// While the daemon can serve no ADD, STATUS says so with the code of CNI, an ADD fails, and the address is free again
// when the runtime has cleaned up. GC has the daemon forget what the runtime does not know.
func TestPrivilegedGateRefuses(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	m.withGate(t)
	d := &daemon{known: map[string]gate.Attachment{"stale": {}}, err: errors.New("the policies are not known yet")}
	d.serve(t, m.configuration)
	var code *types.Error
	if err := m.runtime.GetStatusNetworkList(t.Context(), m.list); !errors.As(err, &code) || code.Code != 50 {
		t.Errorf("STATUS: %v", err)
	}
	a := newPod(t, "a").args()
	if _, err := m.runtime.AddNetworkList(t.Context(), m.list, a.conf); err == nil {
		t.Error("a pod was attached")
	}
	d.Lock()
	d.err = nil
	d.Unlock()
	m.detach(t, a)
	again := newPod(t, "again").args()
	m.attach(t, again)
	err := m.runtime.GCNetworkList(t.Context(), m.list, &libcni.GCArgs{ValidAttachments: []types.GCAttachment{
		{ContainerID: "again", IfName: "eth0"}}})
	known := d.attached()
	if _, ok := known["again"]; err != nil || len(known) != 1 || !ok {
		t.Errorf("GC: %v; known: %v", err, known)
	}
	m.detach(t, again)
	if strays, err := m.configuration.Strays(nil); err != nil || len(strays) > 0 {
		t.Errorf("reservations left: %v, %v", strays, err)
	}
}

// hardware is the address of the pod's interface.
func hardware(t testing.TB, p pod) (address string) {
	t.Helper()
	err := p.Do(func() error {
		link, err := net.InterfaceByName("eth0")
		if err == nil {
			address = link.HardwareAddr.String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return address
}
