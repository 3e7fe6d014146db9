package userspace

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// driver is the PID of the node's device process, a child of the process that supervises it.
func (n *node) driver(t *testing.T) int {
	t.Helper()
	lists, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid), "task/*/children"))
	if err != nil {
		t.Fatal(err)
	}
	var children string
	for _, list := range lists {
		text, _ := os.ReadFile(list) // The thread may have ended.
		children += string(text)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(children))
	if err != nil {
		t.Fatalf("want one child of the device's supervisor: %v", err)
	}
	return pid
}

// crash kills the device process and waits until another can be configured, and the peer, which sends nothing, has a
// session with it.
func (n *node) crash(t *testing.T, peer *node) {
	t.Helper()
	before := peer.handshake(t, n)
	n.kill(t)
	peer.renewed(t, n, before)
}

// renewed waits until n has another session with the peer than the one confirmed before.
func (n *node) renewed(t *testing.T, peer *node, before time.Time) {
	t.Helper()
	waitUntil(t, n.iface+" has a new session", func() bool { return !n.handshake(t, peer).Equal(before) })
}

// kill kills the device process and waits until another can be configured.
func (n *node) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(n.driver(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.ready(t)
}

// handshake is when n's session with the peer was confirmed.
func (n *node) handshake(t *testing.T, peer *node) time.Time {
	t.Helper()
	for _, p := range n.device(t).Peers {
		if p.PublicKey == wgtypes.Key(peer.key.Public()) {
			return p.LastHandshakeTime
		}
	}
	t.Fatalf("%s has no peer %s", n.iface, peer.iface)
	return time.Time{}
}

// configured returns what must survive the process: all of the device but counters and times.
func configured(t *testing.T, n *node) *wgtypes.Device {
	t.Helper()
	d := n.device(t)
	for i := range d.Peers {
		p := &d.Peers[i]
		p.ReceiveBytes, p.TransmitBytes, p.LastHandshakeTime = 0, 0, time.Time{}
	}
	return d
}

// update changes what n knows of a peer.
func (n *node) update(t *testing.T, peer *node, change wgtypes.PeerConfig) {
	t.Helper()
	change.PublicKey, change.UpdateOnly = wgtypes.Key(peer.key.Public()), true
	if err := n.configure(t, wgtypes.Config{Peers: []wgtypes.PeerConfig{change}}); err != nil {
		t.Fatal(err)
	}
}

// TestPrivilegedCrash kills device processes. The next ones have the keys, the peers and their endpoints, without
// anybody to configure them.
func TestPrivilegedCrash(t *testing.T) {
	for _, family := range []string{"v4", "v6"} {
		t.Run(family, func(t *testing.T) {
			a, b := pair(t, family)
			shared, keepalive := wgtypes.Key{1}, 25*time.Second
			a.update(t, b, wgtypes.PeerConfig{PresharedKey: &shared})
			b.update(t, a, wgtypes.PeerConfig{PresharedKey: &shared})
			a.ping(t, 3, "10.0.0.2")
			a.update(t, b, wgtypes.PeerConfig{PersistentKeepaliveInterval: &keepalive})
			device, link := configured(t, a), a.ip(t, "-d address show "+a.iface)
			for range 3 {
				a.crash(t, b)
				if diff := cmp.Diff(device, configured(t, a)); diff != "" {
					t.Errorf("the device changed with the process (-before +now):\n%s", diff)
				}
				// Its carrier too: the kernel sends no notification.
				if now := a.ip(t, "-d address show "+a.iface); now != link {
					t.Errorf("the link changed with the process:\n%s", diffLinks(link, now))
				}
				b.ping(t, 3, "10.0.0.1")
				a.ping(t, 3, "fd00::2")
			}
		})
	}
}

// TestPrivilegedCrashOfWhatRoamed kills the device process of a node whose peer has roamed.
func TestPrivilegedCrashOfWhatRoamed(t *testing.T) {
	a, b := pair(t, "v4")
	a.ping(t, 3, "10.0.0.2")
	b.ip(t, "address add 192.0.2.3/24 dev eth0")
	b.ip(t, "address delete 192.0.2.2/24 dev eth0")
	// The second address went with the first, whose network it was in.
	b.ip(t, "address replace 192.0.2.3/24 dev eth0")
	b.ping(t, 3, "10.0.0.1")
	device := configured(t, a)
	if got := device.Peers[0].Endpoint.String(); got != "192.0.2.3:51820" {
		t.Fatalf("the peer is at %s, want 192.0.2.3:51820", got)
	}
	a.setUp(t) // Each request saves the whole configuration; otherwise the endpoint is saved some seconds later.
	a.crash(t, b)
	if diff := cmp.Diff(device, configured(t, a)); diff != "" {
		t.Errorf("the device changed with the process (-before +now):\n%s", diff)
	}
	b.ping(t, 3, "10.0.0.1")
	a.ping(t, 3, "10.0.0.2")
}

// TestPrivilegedCrashUnconfigured kills a device process that nobody has configured yet.
func TestPrivilegedCrashUnconfigured(t *testing.T) {
	n := newNode(t)
	n.start(t)
	n.ip(t, "link set up dev "+n.iface)
	n.kill(t)
	if got := n.device(t); got.PrivateKey != (wgtypes.Key{}) || len(got.Peers) > 0 {
		t.Errorf("a key or peers come from nowhere: %v", got.Peers)
	}
	n.setUp(t)
	if got := n.device(t).PublicKey; got != wgtypes.Key(n.key.Public()) {
		t.Errorf("public key %v, want %v", got, n.key.Public())
	}
}

// TestPrivilegedSupervisorKilled kills the supervisor: its device process must not live on with the interface.
func TestPrivilegedSupervisorKilled(t *testing.T) {
	n := newNode(t)
	n.start(t)
	_ = n.stop(t, syscall.SIGKILL)
	n.start(t) // It would be refused.
}

// TestPrivilegedHung stops the device process, which then neither answers nor ends: another takes its place.
func TestPrivilegedHung(t *testing.T) {
	a, b := pair(t, "v4")
	a.ping(t, 3, "10.0.0.2")
	device := configured(t, a)
	before, hung := b.handshake(t, a), a.driver(t)
	if err := syscall.Kill(hung, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	a.ready(t)
	b.renewed(t, a, before)
	if a.driver(t) == hung {
		t.Error("the hung process is still there")
	}
	if diff := cmp.Diff(device, configured(t, a)); diff != "" {
		t.Errorf("the device changed with the process (-before +now):\n%s", diff)
	}
	b.ping(t, 3, "10.0.0.1")
	a.ping(t, 3, "10.0.0.2")
}
