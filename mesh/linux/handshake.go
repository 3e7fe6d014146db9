package linux

import (
	"context"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/handshake"
	"warren.mesh/mesh/linux/wg"
)

// InitiateHandshakes has the device begin a handshake with each of the peers, jittered, and asks again where it has not
// begun one. It returns when it has begun all, after the last try (less than 40 seconds), or when ctx ends.
func (h *Host) InitiateHandshakes(ctx context.Context, peers []mesh.Peer) {
	handshake.Initiate(ctx, h.cfg.Link, peers, &h.readings)
}

// statuses returns what is seen of the device's peers; none if there is no device.
func (h *Host) statuses() ([]mesh.PeerStatus, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	device, err := h.readOwned()
	return wg.Statuses(device), err
}
