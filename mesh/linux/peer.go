package linux

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// Limits of one message to the device. The library splits a longer configuration into messages of one peer each, which
// at 5,000 peers is 5,000 round trips.
const (
	maxPeers      = 32
	maxAllowedIPs = 256
)

// setPeers adds and updates, in the order of the edits.
func (d device) setPeers(e mesh.PeerEdits) error {
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

// removePeers removes peers, and the allowed IPs that peers which stay should no longer have.
func (d device) removePeers(e mesh.PeerEdits) error {
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

// configurePeers sends the configurations in chunks and stops at the first that fails: if one peer fails, the device is
// at fault and all would.
func (d device) configurePeers(verb string, configs []wgtypes.PeerConfig) error {
	for chunk := range chunks(configs) {
		for _, config := range chunk {
			d.count(kindOf(config))
		}
		if err := d.client.ConfigureDevice(d.name, wgtypes.Config{Peers: chunk}); err != nil {
			return fmt.Errorf("%s %d peers of device %s: %w", verb, len(configs), d.name, d.explain(err))
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

// chunks cuts the configurations into messages within the limits. A peer with more addresses than maxAllowedIPs has a
// message to itself.
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

// updatePeer never creates a peer: one that somebody has removed meanwhile is added whole after the next observation.
// It adds allowed IPs to those that the peer has: replacing would take these away for a moment.
func updatePeer(u mesh.PeerUpdate) wgtypes.PeerConfig {
	config := wgtypes.PeerConfig{
		PublicKey:                   wgtypes.Key(u.PublicKey),
		UpdateOnly:                  true,
		PersistentKeepaliveInterval: u.Keepalive,
		AllowedIPs:                  fromPrefixes(u.AllowedIPs.Add),
	}
	if u.Endpoint != nil {
		config.Endpoint = fromEndpoint(*u.Endpoint)
	}
	return config
}

func toPeer(p wgtypes.Peer) mesh.Peer {
	peer := mesh.Peer{
		PublicKey:  keys.Public(p.PublicKey),
		Endpoint:   toEndpoint(p.Endpoint),
		AllowedIPs: make([]netip.Prefix, 0, len(p.AllowedIPs)),
		Keepalive:  p.PersistentKeepaliveInterval,
	}
	for _, n := range p.AllowedIPs {
		peer.AllowedIPs = append(peer.AllowedIPs, rtnl.ToPrefix(&n))
	}
	slices.SortFunc(peer.AllowedIPs, netip.Prefix.Compare)
	return peer
}

func toStatus(p wgtypes.Peer) mesh.PeerStatus {
	return mesh.PeerStatus{
		PublicKey:     keys.Public(p.PublicKey),
		Endpoint:      toEndpoint(p.Endpoint),
		LastHandshake: toTime(p.LastHandshakeTime),
		Received:      uint64(p.ReceiveBytes),
		Sent:          uint64(p.TransmitBytes),
	}
}

// toTime returns the zero value for no handshake, which the userspace device tells as second zero of the Unix epoch.
func toTime(t time.Time) time.Time {
	if t.Unix() <= 0 {
		return time.Time{}
	}
	return t
}

// toEndpoint returns the zero value for nil.
func toEndpoint(a *net.UDPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// fromEndpoint returns nil for the zero value: a device cannot be told to forget an endpoint.
func fromEndpoint(p netip.AddrPort) *net.UDPAddr {
	if !p.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(p)
}

func fromPrefixes(prefixes []netip.Prefix) []net.IPNet {
	all := make([]net.IPNet, len(prefixes))
	for i, p := range prefixes {
		all[i] = *rtnl.ToIPNet(p)
	}
	return all
}
