package userspace

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"strings"

	"golang.zx2c4.com/wireguard/device"
)

// greet starts a handshake with each peer of the settings whose endpoint is known, in random order: many nodes may start at one
// time, and are not to turn to the same peers in turn. One after the other, they take one core of the host.
func greet(ctx context.Context, dev *device.Device, settings []byte) {
	known := reachable(settings)
	rand.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
	for _, key := range known {
		if ctx.Err() != nil {
			return
		}
		if peer := dev.LookupPeer(key); peer != nil {
			_ = peer.SendHandshakeInitiation(false) // The device logs what fails, and tries again.
		}
	}
}

// reachable are the peers of UAPI's settings that have an endpoint.
func reachable(settings []byte) (known []device.NoisePublicKey) {
	var peer device.NoisePublicKey
	for line := range strings.Lines(string(settings)) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key {
		case "public_key":
			_, _ = hex.Decode(peer[:], []byte(value)) // The device has parsed it before.
		case "endpoint":
			known = append(known, peer)
		}
	}
	return known
}
