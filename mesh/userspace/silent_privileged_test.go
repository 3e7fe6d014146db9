package userspace

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/test/lab/host"
)

const (
	// silentPeers are peers that do not answer.
	silentPeers = 3000
	// mostGrowth is what the device may take more, in bytes, when packets wait for all of them: 32 MiB of buffers, as
	// much garbage, and handshakes under way. Without a bound 12,000 packets took 300 MB.
	mostGrowth = 96 << 20
)

// TestPrivilegedSilentPeers sends packets to peers that never answer, larger ones and those that only ask for a
// handshake. The memory that they take does not depend on how many there are.
func TestPrivilegedSilentPeers(t *testing.T) {
	n := newNode(t)
	connect(t, n, "under0", "192.0.2.1/24", newNode(t), "eth0", "192.0.2.2/24")
	n.ip(t, "route add default via 192.0.2.2")
	n.start(t)
	n.setUp(t)
	n.address(t, n.iface, "10.0.0.1/32")
	n.ip(t, "route add 10.128.0.0/9 dev "+n.iface)
	const atOnce = 50
	for i := 0; i < silentPeers; i += atOnce {
		var peers []wgtypes.PeerConfig
		for j := range atOnce {
			peers = append(peers, silent(i+j))
		}
		if err := n.configure(t, wgtypes.Config{Peers: peers}); err != nil {
			t.Fatal(err)
		}
	}
	before := n.peak(t)
	for range 3 {
		n.sendToAll(t, 100, 7)
		n.sendToAll(t, 1, 9)
	}
	after := n.peak(t)
	t.Logf("%d peers: %d MiB configured, %d MiB with packets for all", silentPeers, before>>20, after>>20)
	if after-before > mostGrowth {
		t.Errorf("packets for silent peers take %d MiB, want %d at most", (after-before)>>20, mostGrowth>>20)
	}
}

// silentGateway is the address of a peer inside the tunnel.
func silentGateway(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 128 + byte(i>>8), byte(i), 1})
}

// silent is a peer at an address where nobody is.
func silent(i int) wgtypes.PeerConfig {
	peer := wgtypes.PeerConfig{PublicKey: wgtypes.Key{byte(i), byte(i >> 8), 1}}
	peer.Endpoint = &net.UDPAddr{IP: net.IPv4(198, 51, byte(i>>8), byte(i)), Port: testPort}
	for _, prefix := range []netip.Prefix{
		netip.PrefixFrom(silentGateway(i), 24).Masked(),
		netip.MustParsePrefix(fmt.Sprintf("fd00:%x::/64", i)),
		netip.MustParsePrefix(fmt.Sprintf("fd01::%x/128", i)),
	} {
		peer.AllowedIPs = append(peer.AllowedIPs, *rtnl.ToIPNet(prefix))
	}
	return peer
}

// sendToAll sends a datagram to each silent peer.
func (n *node) sendToAll(t *testing.T, bytes, port int) {
	t.Helper()
	var c net.PacketConn
	n.inside(t, func() (err error) {
		c, err = net.ListenPacket("udp4", ":0")
		return err
	})
	defer c.Close()
	before := n.read(t)
	for i := range silentPeers {
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(silentGateway(i), uint16(port)))
		if _, err := c.WriteTo(make([]byte, bytes), to); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 { // The interface's queue holds 500 packets, and drops more.
			waitUntil(t, "the device reads its interface", func() bool { return n.read(t)-before > i })
		}
	}
}

var transmitted = regexp.MustCompile(`"tx":{"bytes":\d+,"packets":(\d+),`)

// read is the number of packets that the device has read from its interface.
func (n *node) read(t *testing.T) int {
	t.Helper()
	found := transmitted.FindStringSubmatch(n.ip(t, "-s -j link show "+n.iface))
	if found == nil {
		t.Fatal("ip(8) tells no number of packets")
	}
	packets, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

// peak is the most memory, in bytes, that the device process has had in use at one time.
func (n *node) peak(t *testing.T) int {
	t.Helper()
	peak, err := host.PeakMemory(n.driver(t))
	if err != nil {
		t.Fatal(err)
	}
	return peak
}
