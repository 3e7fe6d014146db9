package linux

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vishvananda/netlink"

	"warren.mesh/mesh"
)

// observeBridge returns the pods' bridge and its index. An interface of its name that is no bridge counts as absent:
// the bridge plugin refuses it.
func (l links) observeBridge() (b mesh.Bridge, index int, err error) {
	link, err := l.conn.Find(l.bridge)
	if _, is := link.(*netlink.Bridge); err != nil || !is {
		return b, 0, err
	}
	index = link.Attrs().Index
	b = mesh.Bridge{Name: l.bridge, MTU: link.Attrs().MTU}
	b.Addresses, err = l.addresses(link)
	if assigned, known := assignType(l.bridge, index); known {
		b.Floats = assigned != assignedByHand
	} else {
		b.Floats = len(b.Addresses) == 0 // Who gives it addresses, the plugin or warren, fixes it.
	}
	return b, index, err
}

// assignedByHand is the assign type of a hardware address that somebody has set: NET_ADDR_SET of the kernel's
// include/uapi/linux/netdevice.h. A bridge that has it keeps its address (br_stp_recalculate_bridge_id).
const assignedByHand = 3

// sysClassNet is where the kernel tells the assign type. No message of netlink has it.
const sysClassNet = "/sys/class/net"

// assignType returns how the interface got its hardware address. It is not known where sysfs is absent or shows another
// network namespace than this one.
func assignType(name string, index int) (assigned int, known bool) {
	if shown, ok := number(name, "ifindex"); !ok || shown != index {
		return 0, false
	}
	return number(name, "addr_assign_type")
}

func number(iface, file string) (n int, ok bool) {
	text, err := os.ReadFile(filepath.Join(sysClassNet, iface, file))
	if err != nil {
		return 0, false
	}
	n, err = strconv.Atoi(string(bytes.TrimSpace(text)))
	return n, err == nil
}

// fixBridge sets the hardware address of the bridge to itself, which makes the kernel keep it. The bridge plugin does
// so together with the first address that it gives, and never where warren was faster with the address. A bridge
// without ports has no hardware address to keep, and gets a random one. Neighbour entries of the bridge are flushed
// with it, and found anew.
func (l links) fixBridge(want bool) error {
	if !want {
		return nil
	}
	link, err := l.conn.Find(l.bridge)
	if err != nil || link == nil {
		return err
	}
	mac := link.Attrs().HardwareAddr
	if bytes.Count(mac, []byte{0}) == len(mac) {
		mac = randomMAC()
	}
	l.count(opLinkSet)
	if err := l.conn.Handle.LinkSetHardwareAddr(link, mac); err != nil {
		return fmt.Errorf("fix the hardware address of interface %s: %w", l.bridge, err)
	}
	return nil
}

// randomMAC returns a unicast address that is administered locally (IEEE 802-2014, section 8.4).
func randomMAC() net.HardwareAddr {
	mac := make(net.HardwareAddr, 6)
	_, _ = rand.Read(mac) // It never fails.
	mac[0] = mac[0]&^1 | 2
	return mac
}
