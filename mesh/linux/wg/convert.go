package wg

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// Config returns the device's key, port and mark; the zero value for nil.
func Config(d *wgtypes.Device) mesh.Device {
	if d == nil {
		return mesh.Device{}
	}
	return mesh.Device{PublicKey: publicKey(d), Port: uint16(d.ListenPort), Mark: uint32(d.FirewallMark)}
}

// publicKey is zero for a device without a private key. The kernel and the library disagree about that: the public half
// of 32 zero bytes is a number too.
func publicKey(d *wgtypes.Device) keys.Public {
	if d.PrivateKey == (wgtypes.Key{}) {
		return keys.Public{}
	}
	return keys.Public(d.PublicKey)
}

// Peers returns how the device's peers are configured, in no order; none for nil.
func Peers(d *wgtypes.Device) []mesh.Peer { return convert(d, toPeer) }

// Statuses returns what is seen of the device's peers, in no order; none for nil.
func Statuses(d *wgtypes.Device) []mesh.PeerStatus { return convert(d, toStatus) }

func convert[T any](d *wgtypes.Device, to func(wgtypes.Peer) T) []T {
	if d == nil {
		return nil
	}
	var all []T
	for _, p := range d.Peers {
		all = append(all, to(p))
	}
	return all
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
// It adds allowed IPs and leaves those alone that the peer has: replacing would take them away for a moment.
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
	if u.Unshare {
		config.PresharedKey = &wgtypes.Key{}
	}
	return config
}

func toPeer(p wgtypes.Peer) mesh.Peer {
	peer := mesh.Peer{
		PublicKey:  keys.Public(p.PublicKey),
		Endpoint:   toEndpoint(p.Endpoint),
		AllowedIPs: make([]netip.Prefix, 0, len(p.AllowedIPs)),
		Keepalive:  p.PersistentKeepaliveInterval,
		Preshared:  p.PresharedKey != wgtypes.Key{},
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

// toTime returns the zero value for no handshake, which the userspace device reports as second zero of the Unix epoch.
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

// fromEndpoint returns nil for the zero value, which keeps the endpoint: a device cannot be told to forget one.
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
