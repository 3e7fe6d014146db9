package wg

import (
	"crypto/rand"
	"fmt"
	"net/netip"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// Limits of one message to the device. The library splits a longer configuration into messages of one peer each, which
// at 5,000 peers is 5,000 round trips.
const (
	maxPeers      = 32
	maxAllowedIPs = 256
)

// SetPeers adds and updates peers, in the order of the edits. The error wraps Absent where no device answers.
func (d Device) SetPeers(e mesh.PeerEdits) error {
	configs := make([]wgtypes.PeerConfig, 0, len(e.Add)+len(e.Update))
	for _, p := range e.Add {
		configs = append(configs, addPeer(p))
	}
	for _, u := range e.Update {
		if u.Sets() {
			configs = append(configs, updatePeer(u))
		}
	}
	return d.configurePeers("set", configs)
}

// RemovePeers removes peers, and the allowed IPs that peers which stay should no longer have. The error wraps Absent
// where there is no device, and Hung where it does not answer.
func (d Device) RemovePeers(e mesh.PeerEdits) error {
	configs := withdraw(e.Update)
	for _, p := range e.Remove {
		configs = append(configs, removePeer(p.PublicKey))
	}
	return d.configurePeers("remove", configs)
}

// withdraw takes allowed IPs from peers by giving them to a new peer that the same message removes. A peer's list can
// otherwise only be replaced (or edited with WGALLOWEDIP_F_REMOVE_ME, which Linux has since 6.16), and meanwhile no
// peer would have those that stay.
func withdraw(updates []mesh.PeerUpdate) []wgtypes.PeerConfig {
	var gone []netip.Prefix
	for _, u := range updates {
		gone = append(gone, u.AllowedIPs.Remove...)
	}
	if len(gone) == 0 {
		return nil
	}
	// Any 32 bytes are a public key; nobody has the private key to these.
	var nobody keys.Public
	_, _ = rand.Read(nobody[:]) // never fails
	return []wgtypes.PeerConfig{{PublicKey: wgtypes.Key(nobody), AllowedIPs: fromPrefixes(gone)}, removePeer(nobody)}
}

func removePeer(key keys.Public) wgtypes.PeerConfig {
	return wgtypes.PeerConfig{PublicKey: wgtypes.Key(key), Remove: true}
}

// configurePeers sends the configurations in chunks and stops at the first that fails: the cause is the device, so the
// others would fail alike.
func (d Device) configurePeers(verb string, configs []wgtypes.PeerConfig) error {
	for chunk := range chunks(configs) {
		for _, config := range chunk {
			d.Count(kindOf(config))
		}
		if err := d.Client.configure(d.Name, wgtypes.Config{Peers: chunk}); err != nil {
			return fmt.Errorf("%s %d peers of device %s: %w", verb, len(configs), d.Name, d.explain(err))
		}
	}
	return nil
}

func kindOf(config wgtypes.PeerConfig) string {
	if config.Remove {
		return opPeerDel
	}
	return opPeerSet
}

// chunks cuts the configurations into messages within the limits. A peer with more allowed IPs than a message may hold
// gets a message of its own.
func chunks(configs []wgtypes.PeerConfig) func(yield func([]wgtypes.PeerConfig) bool) {
	return func(yield func([]wgtypes.PeerConfig) bool) {
		start, ips := 0, 0
		for i, c := range configs {
			if i > start && (i-start == maxPeers || ips+len(c.AllowedIPs) > maxAllowedIPs) {
				if !yield(configs[start:i]) {
					return
				}
				start, ips = i, 0
			}
			ips += len(c.AllowedIPs)
		}
		if start < len(configs) {
			yield(configs[start:])
		}
	}
}
