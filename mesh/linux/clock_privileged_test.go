package linux

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/lab/tb"
)

// ownClock is set where the machine's clock is the test's to set: in a guest.
const ownClock = "WARREN_CLOCK"

// wireguard is a device of the kernel's, one of two on a namespace's loopback, each the other's only peer.
type wireguard struct {
	*testing.T
	link, keyFile string
	key           keys.Private
	port          int
	// other is the peer, and to an address that is routed to it.
	other *wireguard
	to    string
}

// make makes the device anew. It has forgotten every handshake then.
func (w *wireguard) make() {
	w.Helper()
	run(w.T, fmt.Sprintf(`
ip link add %[1]s type wireguard
wg set %[1]s private-key %[2]s listen-port %[3]d
ip link set %[1]s up
ip route add %[4]s dev %[1]s`, w.link, w.keyFile, w.port, w.to))
	w.know()
}

func (w *wireguard) remove() {
	w.Helper()
	run(w.T, "ip link delete "+w.link)
}

// know adds the peer, and forget removes it.
func (w *wireguard) know() {
	w.Helper()
	run(w.T, fmt.Sprintf("wg set %s peer %s endpoint 127.0.0.1:%d allowed-ips %s/32", w.link, w.other.key.Public(),
		w.other.port, w.to))
}

func (w *wireguard) forget() {
	w.Helper()
	run(w.T, fmt.Sprintf("wg set %s peer %s remove", w.link, w.other.key.Public()))
}

// speak sends one packet to the peer.
func (w *wireguard) speak() {
	w.Helper()
	conn, err := net.Dial("udp", w.to+":9")
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("packet")); err != nil {
		w.Fatal(err)
	}
}

func (w *wireguard) seen() mesh.PeerStatus {
	w.Helper()
	_, all, err := ReadPeers(w.link)
	if err != nil || len(all) != 1 {
		w.Fatalf("%s has peers %v: %v", w.link, all, err)
	}
	return all[0]
}

// waitSession waits until the device has a session that began after a time.
func (w *wireguard) waitSession(since time.Time) {
	w.Helper()
	took := tb.Wait(w, time.Minute, "a handshake of "+w.link, func() error {
		if at := w.seen().LastHandshake; at.Before(since) {
			return fmt.Errorf("the last one was at %v", at)
		}
		return nil
	})
	w.Logf("%s has a session after %v", w.link, took.Round(100*time.Millisecond))
}

// setClock sets the machine's clock forward or back. What measures time goes on as before.
func setClock(t *testing.T, by time.Duration) {
	t.Helper()
	at := unix.NsecToTimespec(time.Now().Add(by).UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &at); err != nil {
		t.Fatal(err)
	}
}

// twoDevices are on the loopback of a namespace that the test is in from now on.
func twoDevices(t *testing.T) (node, peer *wireguard) {
	t.Helper()
	namespace.Enter(t)
	run(t, "ip link set lo up")
	node = &wireguard{T: t, link: "wg-node", port: 51820, to: "10.99.0.2"}
	peer = &wireguard{T: t, link: "wg-peer", port: 51821, to: "10.99.0.1"}
	node.other, peer.other = peer, node
	for _, w := range []*wireguard{node, peer} {
		w.key, w.keyFile = meshtest.Key(w.link), filepath.Join(t.TempDir(), "key")
		private := w.key.Reveal()
		text := base64.StdEncoding.EncodeToString(private[:])
		if err := os.WriteFile(w.keyFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node.make()
	peer.make()
	return node, peer
}

// TestPrivilegedClockSetBack shows of the kernel's device what userspace's TestClockSetBack shows of the other: a node
// whose clock was set back, and whose device is new, begins no session with a peer that has seen a later handshake. The
// peer begins one when it has something to say. A peer that is removed and added again has forgotten. And while the
// device lives, its own last handshake tells that the clock was set back.
func TestPrivilegedClockSetBack(t *testing.T) {
	meshtest.Privileged(t)
	if os.Getenv(ownClock) == "" {
		t.Logf("the clock of this machine stays as it is: %s is not set", ownClock)
		return
	}
	node, peer := twoDevices(t)
	setClock(t, time.Hour)
	begin := time.Now()
	node.speak()
	node.waitSession(begin)
	peer.waitSession(begin)
	setClock(t, -time.Hour)
	_, all, err := ReadPeers(node.link)
	if ahead := mesh.Ahead(all, time.Now()); err != nil || ahead < 50*time.Minute || ahead > time.Hour {
		t.Errorf("the last handshake is %v ahead of the clock, want about an hour: %v", ahead, err)
	}

	heard := peer.seen()
	node.remove()
	node.make()
	node.speak()
	const tries = 3
	tb.Wait(t, time.Minute, "the node to try several times", func() error {
		if sent := node.seen().Sent; sent < tries*148 {
			return fmt.Errorf("%d bytes have gone", sent)
		}
		return nil
	})
	if s := node.seen(); s.Received > 0 || !s.LastHandshake.IsZero() {
		t.Errorf("the peer has answered a handshake from before the last one: %+v", s)
	}
	if now := peer.seen(); now.Received != heard.Received {
		t.Errorf("the peer has accepted something: %+v, before it %+v", now, heard)
	}

	begin = time.Now()
	peer.speak() // In a session that the node has forgotten. After 15 seconds without an answer it begins another.
	node.waitSession(begin)

	node.remove()
	node.make()
	peer.forget()
	peer.know()
	begin = time.Now()
	node.speak()
	node.waitSession(begin)
}
