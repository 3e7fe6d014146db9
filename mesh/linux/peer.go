package linux

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

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

// setPeers adds and updates, in the order of the edits.
func (h *Host) setPeers(e mesh.PeerEdits) error {
	configs := make([]wgtypes.PeerConfig, 0, len(e.Add)+len(e.Update))
	for _, p := range e.Add {
		configs = append(configs, addPeer(p))
	}
	for _, u := range e.Update {
		configs = append(configs, updatePeer(u))
	}
	return h.configurePeers("set", opPeerSet, configs)
}

func (h *Host) removePeers(gone []mesh.Peer) error {
	configs := make([]wgtypes.PeerConfig, len(gone))
	for i, p := range gone {
		configs[i] = wgtypes.PeerConfig{PublicKey: wgtypes.Key(p.PublicKey), Remove: true}
	}
	return h.configurePeers("remove", opPeerDel, configs)
}

// configurePeers sends the configurations in chunks and stops at the first that fails: peers fail alike, for the
// device's sake.
func (h *Host) configurePeers(verb, kind string, configs []wgtypes.PeerConfig) error {
	for chunk := range chunks(configs) {
		for range chunk {
			h.counts.add(kind)
		}
		if err := h.device.ConfigureDevice(h.cfg.Link, wgtypes.Config{Peers: chunk}); err != nil {
			return fmt.Errorf("%s %d peers of device %s: %w", verb, len(configs), h.cfg.Link, h.explain(err))
		}
	}
	return nil
}

// chunks cuts the configurations into messages within the limits, a peer with more addresses than that alone.
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

func addPeer(p mesh.Peer) wgtypes.PeerConfig {
	return wgtypes.PeerConfig{
		PublicKey:                   wgtypes.Key(p.PublicKey),
		Endpoint:                    fromEndpoint(p.Endpoint),
		PersistentKeepaliveInterval: &p.Keepalive,
		ReplaceAllowedIPs:           true,
		AllowedIPs:                  fromPrefixes(p.AllowedIPs),
	}
}

// updatePeer never makes a peer: one that somebody removed meanwhile is added whole after the next observation.
func updatePeer(u mesh.PeerUpdate) wgtypes.PeerConfig {
	config := wgtypes.PeerConfig{
		PublicKey:                   wgtypes.Key(u.PublicKey),
		UpdateOnly:                  true,
		PersistentKeepaliveInterval: u.Keepalive,
		ReplaceAllowedIPs:           u.AllowedIPs != nil,
		AllowedIPs:                  fromPrefixes(u.AllowedIPs),
	}
	if u.Endpoint != nil {
		config.Endpoint = fromEndpoint(*u.Endpoint)
	}
	return config
}

func toPeer(p wgtypes.Peer) mesh.Peer {
	peer := mesh.Peer{
		PublicKey:     keys.Public(p.PublicKey),
		Endpoint:      toEndpoint(p.Endpoint),
		AllowedIPs:    make([]netip.Prefix, 0, len(p.AllowedIPs)),
		Keepalive:     p.PersistentKeepaliveInterval,
		LastHandshake: toTime(p.LastHandshakeTime),
	}
	for _, n := range p.AllowedIPs {
		peer.AllowedIPs = append(peer.AllowedIPs, toPrefix(&n))
	}
	slices.SortFunc(peer.AllowedIPs, netip.Prefix.Compare)
	return peer
}

// toTime is the zero value for no handshake, which the userspace device tells as second zero of the Unix epoch.
func toTime(t time.Time) time.Time {
	if t.Unix() <= 0 {
		return time.Time{}
	}
	return t
}

// toEndpoint is the zero value for nil.
func toEndpoint(a *net.UDPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// fromEndpoint is nil for the zero value: a device cannot be told to forget an endpoint.
func fromEndpoint(p netip.AddrPort) *net.UDPAddr {
	if !p.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(p)
}

func fromPrefixes(prefixes []netip.Prefix) []net.IPNet {
	all := make([]net.IPNet, len(prefixes))
	for i, p := range prefixes {
		all[i] = *toIPNet(p)
	}
	return all
}
