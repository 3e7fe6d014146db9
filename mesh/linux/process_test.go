package linux

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/routing"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/lab/tb"
)

// small is what the machine should look like in a mesh of two other nodes.
func (m *machine) small() mesh.State {
	m.Helper()
	cfg := mesh.Defaults()
	cfg.Link, cfg.Bridge, cfg.MTU = m.cfg.Link, m.cfg.Bridge, 1320
	state, problems, err := mesh.Desired(cfg, self(m.cfg.Key().Public()), others(2))
	if err != nil || len(problems) > 0 {
		m.Fatal(err, problems)
	}
	return state
}

func (m *machine) observe() mesh.State {
	m.Helper()
	return m.observation().State
}

func (m *machine) observation() mesh.Observation {
	m.Helper()
	o, err := m.Observe(m.Context())
	if err != nil {
		m.Fatal(err)
	}
	return o
}

// complete applies what is missing, and wants nothing to be left to do.
func (m *machine) complete(want mesh.State) {
	m.Helper()
	if err := m.Apply(m.Context(), mesh.Diff(want, m.observe())); err != nil {
		m.Error(err)
	}
	if left := mesh.Diff(want, m.observe()); !left.Empty() {
		m.Errorf("there is left to do: %v", left.Lines())
	}
}

// newPersistent is a machine as it should be, whose interface stays when its device process ends.
func newPersistent(t *testing.T) (m *machine, process *deviceProcess, want mesh.State) {
	t.Helper()
	m = newBareMachine(t, Userspace)
	process = startDevice(t, m.cfg.Link, deviceEnv+"_PERSIST=1")
	want = m.small()
	m.complete(want)
	return m, process, want
}

// Without its process there is no userspace device to configure: the Host says what it waits for, with all guards up.
func TestPrivilegedWaitsForTheDeviceProcess(t *testing.T) {
	meshtest.Privileged(t)
	m := newBareMachine(t, Userspace)
	want := m.small()
	err := m.Apply(t.Context(), mesh.Diff(want, m.observe()))
	if !errors.Is(err, ErrNoDevice) || !errors.Is(err, mesh.ErrWaiting) || strings.Count(err.Error(), "\n") != 0 {
		t.Fatalf("applied without a device: %v, want %v alone", err, ErrNoDevice)
	}
	have := m.observe()
	guards := mesh.State{Routes: unreachableOnly(want.Routes), Rules: want.Rules, Firewall: want.Firewall}
	have.Sysctls = nil
	if have.String() != guards.String() {
		t.Errorf("have\n%s, want\n%s", have, guards)
	}
	startDevice(t, m.cfg.Link)
	m.complete(want)
}

func unreachableOnly(routes []mesh.Route) (all []mesh.Route) {
	for _, r := range routes {
		if routing.Unreachable(r) {
			all = append(all, r)
		}
	}
	return all
}

// A persistent TUN keeps addresses and routes while its process is away.
func TestPrivilegedDeviceProcessDies(t *testing.T) {
	meshtest.Privileged(t)
	m, process, want := newPersistent(t)
	poked := m.watch()
	process.kill()
	<-poked
	dead := m.observe()
	left := mesh.Diff(want, dead)
	if dead.Device != (mesh.Device{}) || left.Device == nil || len(left.Peers.Add) != len(want.Peers) {
		t.Errorf("without its process the host has\n%s", dead)
	}
	left.Device, left.Peers = nil, mesh.PeerEdits{}
	if !left.Empty() {
		t.Errorf("more than the device is gone: %v", left.Lines())
	}
	if err := m.Apply(t.Context(), mesh.Diff(want, dead)); !errors.Is(err, ErrNoDevice) {
		t.Errorf("applied without a device: %v, want %v", err, ErrNoDevice)
	}
	startDevice(t, m.cfg.Link)
	<-poked
	m.complete(want)
}

// A key that is not the Host's is not set: the device would have neither.
func TestPrivilegedForeignKey(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	want := m.small()
	want.Device.PublicKey[0]++
	if err := m.Apply(t.Context(), mesh.Diff(want, m.observe())); err == nil ||
		!strings.Contains(err.Error(), "private key at hand") {
		t.Errorf("another's key: %v", err)
	}
	if have := m.observe(); !have.Device.PublicKey.IsZero() || len(have.Peers) > 0 {
		t.Errorf("the device has a key and peers:\n%s", have)
	}
}

// What uninstalling leaves behind is what was there before.
func TestPrivilegedRemove(t *testing.T) {
	meshtest.Privileged(t)
	m := newBareMachine(t, anyMode())
	if m.mode == Userspace {
		startDevice(t, m.cfg.Link, deviceEnv+"_PERSIST=1")
	}
	others := &meddler{machine: m}
	others.Clutter()
	before := others.Foreign()
	if err := m.Apply(t.Context(), mesh.Diff(m.small(), m.observe())); err != nil {
		t.Fatal(err)
	}
	others.AddBridge(1420)
	for i := range 2 {
		if err := Remove(t.Context(), Config{Link: m.cfg.Link, Bridge: m.cfg.Bridge}); err != nil {
			t.Fatalf("time %d: %v", i+1, err)
		}
	}
	have := m.observe()
	have.Sysctls = nil
	if have.String() != "" {
		t.Errorf("left behind:\n%s", have)
	}
	if links := m.shows("-o link"); strings.Contains(links, m.cfg.Link) || strings.Contains(links, m.cfg.Bridge) {
		t.Errorf("interfaces left behind:\n%s", links)
	}
	if after := others.Foreign(); after != before {
		t.Errorf("others' before:\n%s, after:\n%s", before, after)
	}
}

// Remove leaves alone what only has the name.
func TestPrivilegedRemoveSpares(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	run(t, "ip link add warren0 type bridge\nip link add warren-br0 type veth peer name other")
	if err := Remove(t.Context(), Config{Link: "warren0", Bridge: "warren-br0"}); err != nil {
		t.Error(err)
	}
	run(t, fmt.Sprintf("ip link show %s\nip link show %s", "warren0", "warren-br0"))
}

// A device process that is stopped costs nothing but the device: the Host says that it hangs, repairs everything else,
// and goes on with it when it answers again.
func TestPrivilegedHungDeviceProcess(t *testing.T) {
	meshtest.Privileged(t)
	m, process, want := newPersistent(t)
	poked := m.watch()
	process.signal(syscall.SIGSTOP)
	<-poked // By nothing but the silence.
	run(t, "nft delete table inet warren")
	hung := m.observe()
	if hung.Device != (mesh.Device{}) {
		t.Errorf("a hung device is observed as\n%s", hung)
	}
	err := m.Apply(t.Context(), mesh.Diff(want, hung))
	if !errors.Is(err, ErrHungDevice) || !errors.Is(err, mesh.ErrWaiting) || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("applied to a hung device: %v, want %v alone", err, ErrHungDevice)
	}
	left := mesh.Diff(want, m.observe())
	left.Device, left.Peers = nil, mesh.PeerEdits{}
	if !left.Empty() {
		t.Errorf("more than the device is left to do: %v", left.Lines())
	}
	process.signal(syscall.SIGCONT)
	tb.Wait(t, time.Minute, "the device to answer", func() error {
		if seen := m.observe().Device; seen != want.Device {
			return fmt.Errorf("observed %v", seen)
		}
		return nil
	})
	if left := mesh.Diff(want, m.observe()); !left.Empty() {
		t.Errorf("there is left to do: %v", left.Lines())
	}
}
