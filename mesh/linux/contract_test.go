package linux

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

var (
	_ agent.Host    = (*Host)(nil)
	_ meshtest.Host = (*Host)(nil)
)

func TestPrivilegedHostContract(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	meshtest.RunHostContract(t, func(t *testing.T) meshtest.Harness { return newMachine(t).harness() })
}

// machine is a host in a network namespace of its own, with an underlay and a WireGuard device: the kernel's, or where
// it has none a device process.
type machine struct {
	*testing.T
	*Host
	net    *namespace.Net
	cfg    Config
	device *deviceProcess
	// rekey makes cfg.Key return another key.
	rekey func()
}

// wireguardEnv says which WireGuard the machines of tests have: kernel or userspace, and neither in place of the other.
// Unset, it is the kernel's where there is one. It is the daemon's own variable, too.
const wireguardEnv = "WARREN_WIREGUARD"

// anyMode is the mode of tests that are for both.
func anyMode() Mode { return Mode(cmp.Or(os.Getenv(wireguardEnv), string(Auto))) }

// newMachine is a machine whose device is there.
func newMachine(t *testing.T) *machine {
	t.Helper()
	m := newBareMachine(t, anyMode())
	if m.mode == Userspace {
		m.device = startDevice(t, m.cfg.Link)
	}
	return m
}

// newBareMachine moves the calling test into the machine's namespace.
func newBareMachine(t *testing.T, mode Mode) *machine {
	t.Helper()
	var key keys.Private
	rekey := func() {
		var err error
		if key, err = keys.Generate(); err != nil {
			t.Fatal(err)
		}
	}
	rekey()
	cfg := Config{Link: uniqueName(), Bridge: "warren-br0", Port: 51820, Key: func() keys.Private { return key },
		Mode: mode, RunDir: t.TempDir()}
	m := &machine{T: t, net: namespace.Enter(t), cfg: cfg, rekey: rekey}
	namespace.Quiet(t)
	run(t, fmt.Sprintf(`
ip link add under0 mtu %d type veth peer name under1
ip addr add %s/24 dev under0
ip addr add %s/64 dev under0 nodad
ip link set under1 up
ip link set under0 up
`, meshtest.UnderlayMTU, meshtest.UnderlayIPs[0], meshtest.UnderlayIPs[1]))
	m.Host = m.open()
	return m
}

// open makes another Host like the machine's.
func (m *machine) open() *Host {
	m.Helper()
	h, err := New(m.cfg)
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { _ = h.Close() })
	return h
}

func (m *machine) harness() meshtest.Harness {
	var group sync.WaitGroup
	m.Cleanup(group.Wait)
	mesh := mesh.Defaults()
	mesh.Link, mesh.Bridge = m.cfg.Link, m.cfg.Bridge
	return meshtest.Harness{
		Host:    m.Host,
		Restart: func() meshtest.Host { return m.open() },
		Meddler: &meddler{machine: m},
		Config:  mesh,
		Key:     m.cfg.Key().Public(),
		Rekey:   func() keys.Public { m.rekey(); return m.cfg.Key().Public() },
		Go:      func(do func()) { m.in(&group, do) },
	}
}

// watch watches until the test ends, and fills the channel for every poke.
func (m *machine) watch() <-chan struct{} {
	var group sync.WaitGroup
	m.Cleanup(group.Wait)
	pokes := make(chan struct{}, 1)
	m.in(&group, func() {
		err := m.Watch(m.Context(), func() {
			select {
			case pokes <- struct{}{}:
			default:
			}
		}, func([]mesh.PeerStatus) {})
		if err != nil {
			m.Error(err)
		}
	})
	return pokes
}

// in runs do on a thread in the machine's namespace.
func (m *machine) in(group *sync.WaitGroup, do func()) {
	ready := make(chan error)
	group.Go(func() {
		err := m.net.Enter()
		ready <- err
		if err == nil {
			do()
		}
	})
	if err := <-ready; err != nil {
		m.Fatal(err)
	}
}

// meddler uses the tools that an administrator has, and for what a mesh.Change says a Host of its own.
type meddler struct {
	*machine
	host *Host
}

func (m *meddler) Change(c mesh.Change) error {
	if m.host == nil {
		m.host = m.open()
	}
	if c.Device != nil {
		// Another key than its own is not a Host's to set.
		c.Device.PublicKey = m.cfg.Key().Public()
	}
	return m.host.Apply(context.Background(), c)
}

// DeleteLink has a device process start again, as its supervisor would: for the Host, the device is another one.
func (m *meddler) DeleteLink() {
	run(m.T, "ip link delete "+m.cfg.Link)
	if m.device != nil {
		m.device.wait()
		m.device = startDevice(m.T, m.cfg.Link)
	}
}

func (m *meddler) SetLink(up bool) {
	state := "down"
	if up {
		state = "up"
	}
	run(m.T, fmt.Sprintf("ip link set %s %s", m.cfg.Link, state))
}

func (m *meddler) Preshare(peer keys.Public) {
	file := filepath.Join(m.TempDir(), "preshared.key")
	if err := os.WriteFile(file, []byte(keys.Public{1}.String()), 0o600); err != nil {
		m.Fatal(err)
	}
	run(m.T, fmt.Sprintf("wg set %s peer %s preshared-key %s", m.cfg.Link, peer, file))
}

func (m *meddler) Mark(mark uint32) { run(m.T, fmt.Sprintf("wg set %s fwmark %#x", m.cfg.Link, mark)) }

func (m *meddler) AddBridge(mtu int) {
	run(m.T, fmt.Sprintf("ip link add %s mtu %d type bridge\nip link set %s up", m.cfg.Bridge, mtu, m.cfg.Bridge))
}

func (m *meddler) FlushRuleset() { run(m.T, "nft flush ruleset") }

// Block replaces, since warren's route may be there.
func (m *meddler) Block(r mesh.Route) { m.route("replace", r) }

func (m *meddler) Unblock(r mesh.Route) { m.route("delete", r) }

func (m *meddler) route(verb string, r mesh.Route) {
	run(m.T, fmt.Sprintf("ip route %s %s dev under0 table %d metric %d proto static", verb, r.Destination, r.Table,
		r.Metric))
}

// Precede gives no preference: the kernel places the rule in front of all others but its own for the local table.
func (m *meddler) Precede(v6 bool) {
	if v6 {
		run(m.T, "ip -6 rule add from 2001:db8:9::9 lookup 100")
		return
	}
	run(m.T, "ip rule add from 198.51.100.9 lookup 100")
}

func (m *meddler) Earlier() {
	run(m.T, `
ip route add unreachable 192.0.2.3 metric 4294967295 table 51820 proto 87
ip -6 route add unreachable 2001:db8::3 metric 4294967295 table 51820 proto 87
ip route add unreachable 10.244.3.0/24 metric 4294967295 proto 87
ip rule add priority 98 fwmark 0x800000/0x800000 lookup main protocol 87
ip rule add priority 100 from 10.244.0.0/16 lookup 51820 protocol 87
ip -6 rule add priority 100 from fd00:10:244::/48 lookup 51820 protocol 87
`)
}

// Clutter has preferences, tables of earlier versions, marks and destinations of warren's, but never its protocol.
func (m *meddler) Clutter() {
	run(m.T, `
ip route add 198.51.100.0/24 dev under0 proto static
ip route add 198.51.100.0/24 dev under0 table 51820 proto static
ip route add unreachable 10.244.0.0/16 metric 4294967294 proto static
ip route add unreachable fd00:10:244::/48 metric 4294967294 proto static
ip -6 route add 2001:db8:5::/64 dev under0 table 51820 proto static
ip route add 10.244.2.0/24 dev under0 table 100 proto 87
ip rule add priority 100 from 10.244.1.0/24 lookup 100
ip rule add priority 50 to 10.244.1.0/24 lookup main
ip -6 rule add priority 98 fwmark 0x800000/0x800000 lookup 100 protocol static
nft add table inet other
`)
}

// Foreign leaves out what the kernel keeps by itself.
func (m *meddler) Foreign() string {
	var lines []string
	for line := range strings.Lines(run(m.T, `
ip -4 route show table all
ip -6 route show table all
ip -4 rule show
ip -6 rule show
nft list tables
`)) {
		warren := strings.Contains(line, "proto 87") && !strings.Contains(line, "table 100")
		if !warren && !strings.Contains(line, "proto kernel") && !strings.Contains(line, "inet "+guard.Table.Name) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// shows is what ip(8) says.
func (m *machine) shows(command string) string {
	m.Helper()
	return run(m.T, "ip "+command)
}
