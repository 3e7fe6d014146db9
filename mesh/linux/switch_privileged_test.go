package linux

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// switching is a machine with a device in mode Userspace, whose mode then changes.
type switching struct {
	*machine
	want    mesh.State
	a, b    *remote
	packets *numbered
}

func newSwitching(t *testing.T) *switching {
	t.Helper()
	s := &switching{machine: newBareMachine(t, Userspace)}
	s.device = startDevice(t, s.cfg.Link, deviceEnv+"_PERSIST=1")
	run(t, "ip link set lo up")
	s.a, s.b = s.newRemote("a", 51821), s.newRemote("b", 51822)
	s.want = s.small()
	for i, r := range []*remote{s.a, s.b} {
		s.want.Peers[i] = r.peer(s.want.Peers[i].AllowedIPs...)
	}
	s.apply()
	s.packets = newNumbered(t, mesh.Gateway(s.want.Peers[0].AllowedIPs[0]).Next())
	s.arrives()
	return s
}

// apply makes the host what it should be, and fails where something is left to do.
func (s *switching) apply() {
	s.Helper()
	if err := s.Apply(s.Context(), mesh.Diff(s.want, s.observe())); err != nil {
		s.Error(err)
	}
	if left := mesh.Diff(s.want, s.observe()); !left.Empty() {
		s.Errorf("there is left to do: %v", left.Lines())
	}
}

// arrives sends a packet through the mesh.
func (s *switching) arrives() {
	s.Helper()
	if err := s.packets.next(s.a, s.b); err != nil {
		s.Error(err)
	}
}

// restart is the daemon's, in another mode.
func (s *switching) restart(mode Mode) {
	s.Helper()
	s.cfg.Mode = mode
	s.Host = s.open()
}

// routing is all of addresses, routes and rules as ip(8) tells them, whoever's.
func (s *switching) routing() string {
	return run(s.T,
		"ip -o address show\nip -4 route show table all\nip -6 route show table all\nip rule show\nip -6 rule show")
}

// wantRouting compares what is there with what was there before the interface was another one.
func (s *switching) wantRouting(before string) {
	s.Helper()
	if diff := cmp.Diff(lasting(before), lasting(s.routing())); diff != "" {
		s.Errorf("the switch changed (-before +after)\n%s", diff)
	}
}

// lasting leaves out what the kernel keeps for an interface by itself: link-local addresses and multicast routes.
func lasting(routing string) []string {
	var lines []string
	for line := range strings.Lines(routing) {
		line = strings.Join(strings.Fields(brief.ReplaceAllString(line, "")), " ")
		if !strings.Contains(line, "fe80:") && !strings.Contains(line, "multicast") {
			lines = append(lines, line)
		}
	}
	return lines
}

// A device of the userspace is replaced where the kernel has come to have WireGuard, and stays where it has not.
func TestPrivilegedSwitchToBest(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	s := newSwitching(t)
	before := s.routing()
	s.restart(Auto)
	if s.mode == Userspace {
		if c := mesh.Diff(s.want, s.observe()); !c.Empty() {
			t.Errorf("another daemon of the same mode has something to do: %v", c.Lines())
		}
		return
	}
	s.apply()
	s.device.wait()
	if kind := s.shows("-d link show " + s.cfg.Link); !strings.Contains(kind, "wireguard") {
		t.Errorf("the interface is\n%s", kind)
	}
	s.wantRouting(before)
	s.arrives()
	s.back(before)
}

// back asks for mode Userspace: the kernel's device goes at once, and the guards stay while the process is waited for.
func (s *switching) back(before string) {
	s.Helper()
	s.restart(Userspace)
	if err := s.Apply(s.Context(), mesh.Diff(s.want, s.observe())); !errors.Is(err, ErrNoDevice) {
		s.Errorf("without a process: %v, want %v", err, ErrNoDevice)
	}
	startDevice(s.T, s.cfg.Link)
	s.apply()
	s.wantRouting(before)
	s.arrives()
}

// A daemon that starts again beside its device makes no other, not even for a trial: an interface that comes and goes
// is a change of the host, and takes an index.
func TestPrivilegedChooseTriesNothingTwice(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	if err := m.Apply(t.Context(), mesh.Diff(m.small(), m.observe())); err != nil {
		t.Fatal(err)
	}
	before := m.nextIndex("before")
	m.open()
	if after := m.nextIndex("after"); after != before+1 {
		t.Errorf("%d interfaces were made meanwhile", after-before-1)
	}
}

// nextIndex makes an interface, which gets the next index.
func (m *machine) nextIndex(name string) int {
	m.Helper()
	run(m.T, "ip link add "+name+" type bridge")
	link, err := m.conn.Find(name)
	if err != nil || link == nil {
		m.Fatalf("find %s: %v", name, err)
	}
	return link.Attrs().Index
}
