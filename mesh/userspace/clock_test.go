package userspace

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/device"
)

// TestClockSetBack has a node's clock go back: peers refuse the handshakes that it begins, as replays, until its clock
// has passed the last handshake that they have seen from it. Handshakes that they begin go on as before, and so does
// everything in the sessions of these.
func TestClockSetBack(t *testing.T) {
	node, peer := newTestDevice(t, "10.0.0.1"), newTestDevice(t, "10.0.0.2")
	node.add(t, peer, "127.0.0.1")
	peer.add(t, node, "127.0.0.1")
	if !begins(peer, initiation(t, node, peer)) {
		t.Fatal("a handshake is refused with right clocks")
	}
	var early *device.MessageInitiation
	synctest.Test(t, func(t *testing.T) { early = initiation(t, node, peer) }) // The clock begins in the year 2000.
	if begins(peer, early) {
		t.Error("a handshake is accepted from before the last one")
	}
	if !begins(node, initiation(t, peer, node)) {
		t.Error("the node refuses a handshake that the peer begins")
	}
	if !begins(peer, initiation(t, node, peer)) {
		t.Error("a handshake is refused with the clock set right again")
	}
}

// initiation is the first message of a handshake that one device begins with another.
func initiation(t *testing.T, from, to *testDevice) *device.MessageInitiation {
	t.Helper()
	message, err := from.CreateMessageInitiation(from.LookupPeer(device.NoisePublicKey(to.key.Public())))
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// begins reports whether a device accepts the first message of a handshake. It accepts one in 20 ms at most
// (device.HandshakeInitationRate), so begins offers it until that time is over.
func begins(to *testDevice, message *device.MessageInitiation) bool {
	for begin := time.Now(); time.Since(begin) <= 2*device.HandshakeInitationRate; {
		if to.ConsumeMessageInitiation(message) != nil {
			return true
		}
	}
	return false
}
