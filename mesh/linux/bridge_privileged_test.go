package linux

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// A bridge keeps its hardware address whatever ports come and go: whether warren gave it its addresses before the
// plugin could, or found it with addresses, and whether it had a port then.
func TestPrivilegedBridgeKeepsItsMAC(t *testing.T) {
	meshtest.Privileged(t)
	const plugFirst = "ip link add first address 02:00:00:00:00:20 master %[1]s type veth peer name pod1"
	for name, test := range map[string]struct {
		setUp string
		sysfs bool
	}{
		"new, with a port":   {plugFirst, true},
		"new, without ports": {"ip link set %[1]s up", true},
		"with addresses": {
			plugFirst + "\nip address add 10.244.0.1/24 dev %[1]s\nip -6 address add fd00:10:244::1/64 dev %[1]s", true,
		},
		"sysfs of another namespace": {plugFirst, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newBareMachine(t, Userspace)
			if test.sysfs {
				mountSysfs(t)
			}
			run(t, fmt.Sprintf("ip link add %[1]s type bridge\n"+test.setUp, m.cfg.Bridge))
			want := mesh.State{Bridge: mesh.Bridge{Name: m.cfg.Bridge, MTU: 1500, Addresses: []netip.Prefix{
				netip.MustParsePrefix("10.244.0.1/24"), netip.MustParsePrefix("fd00:10:244::1/64"),
			}}}
			if c := mesh.Diff(want, m.observe()); !c.FixBridge {
				t.Errorf("the bridge counts as fixed: %v", c)
			}
			if err := m.Apply(t.Context(), mesh.Diff(want, m.observe())); err != nil {
				t.Fatal(err)
			}
			fixed := m.mac(t)
			if c := mesh.Diff(want, m.observe()); !c.Empty() {
				t.Errorf("there is something left to do: %v", c)
			}
			run(t, "ip link add lower address 02:00:00:00:00:01 master "+m.cfg.Bridge+" type veth peer name pod2")
			if got := m.mac(t); !bytes.Equal(got, fixed) {
				t.Errorf("a pod came: the bridge had %v and has %v", fixed, got)
			}
			run(t, "ip link delete lower")
			if got := m.mac(t); !bytes.Equal(got, fixed) {
				t.Errorf("a pod went: the bridge had %v and has %v", fixed, got)
			}
		})
	}
}

// mac is the bridge's hardware address, which is a host's own.
func (m *machine) mac(t *testing.T) net.HardwareAddr {
	t.Helper()
	link, err := m.links.conn.Find(m.cfg.Bridge)
	if err != nil || link == nil {
		t.Fatalf("find the bridge: %v, %v", link, err)
	}
	mac := link.Attrs().HardwareAddr
	if len(mac) != 6 || mac[0]&1 != 0 || bytes.Equal(mac, make([]byte, 6)) {
		t.Errorf("the bridge's address is %v", mac)
	}
	return mac
}

// mountSysfs shows this thread its network namespace in sysfs, as a container on the host's network sees it. The thread
// ends with the test.
func mountSysfs(t *testing.T) {
	t.Helper()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		t.Fatal(err)
	}
}
