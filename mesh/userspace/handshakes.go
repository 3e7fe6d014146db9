package userspace

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"strings"

	"golang.zx2c4.com/wireguard/device"
)

// initiateHandshakes starts a handshake with each peer of the settings whose endpoint is known, until ctx ends. The
// order is random, so that many nodes that start together do not all begin with the same peers. It starts them one
// after another, which takes one core of the host.
func initiateHandshakes(ctx context.Context, dev *device.Device, settings []byte) {
	known := withEndpoint(settings)
	rand.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
	for _, key := range known {
		if ctx.Err() != nil {
			return
		}
		if peer := dev.LookupPeer(key); peer != nil {
			_ = peer.SendHandshakeInitiation(false) // The device logs failures, and tries again.
		}
	}
}

// withEndpoint returns the peers that have an endpoint in UAPI's settings.
func withEndpoint(settings []byte) (known []device.NoisePublicKey) {
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
