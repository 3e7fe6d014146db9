package meshtest

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

func newDevice() *device {
	return &device{peers: map[keys.Public]mesh.Peer{}, seen: map[keys.Public]mesh.PeerStatus{}}
}

// noDevice returns an error like mesh/linux's ErrNoDevice: it wraps mesh.ErrWaiting if the device process is absent.
func (k *Kernel) noDevice() error {
	if k.userspace {
		return fmt.Errorf("%w for the userspace device process", mesh.ErrWaiting)
	}
	return fmt.Errorf("device %s: no such interface", k.cfg.Link)
}

func (k *Kernel) setDevice(want *mesh.Device) error {
	if want == nil || k.link == nil {
		return nil
	}
	if k.device == nil {
		return k.noDevice()
	}
	if err := k.write("device-set"); err != nil {
		return fmt.Errorf("set key and port of device %s: %w", k.cfg.Link, err)
	}
	k.device.Device = *want
	return nil
}

func (k *Kernel) setPeers(e mesh.PeerEdits) error {
	if len(e.Add)+len(e.Update) == 0 || k.link == nil {
		return nil
	}
	if k.device == nil {
		return k.noDevice()
	}
	return errors.Join(each(e.Add, k.addPeer), each(e.Update, k.updatePeer))
}

func (k *Kernel) addPeer(p mesh.Peer) error {
	if err := k.write("peer-set"); err != nil {
		return fmt.Errorf("set peer %s: %w", p.PublicKey, err)
	}
	p.Node = ""
	// A device does not forget an endpoint.
	p.Endpoint = cmp.Or(p.Endpoint, k.device.peers[p.PublicKey].Endpoint)
	p.Preshared = k.device.peers[p.PublicKey].Preshared
	k.setPeer(p)
	return nil
}

// updatePeer does not create an absent peer.
func (k *Kernel) updatePeer(u mesh.PeerUpdate) error {
	if !u.Sets() {
		return nil
	}
	if err := k.write("peer-set"); err != nil {
		return fmt.Errorf("set peer %s: %w", u.PublicKey, err)
	}
	p, ok := k.device.peers[u.PublicKey]
	if !ok {
		return nil
	}
	if u.Endpoint != nil && u.Endpoint.IsValid() {
		p.Endpoint = *u.Endpoint
	}
	p.AllowedIPs = slices.Concat(without(p.AllowedIPs, u.AllowedIPs.Add), u.AllowedIPs.Add)
	if u.Keepalive != nil {
		p.Keepalive = *u.Keepalive
	}
	p.Preshared = p.Preshared && !u.Unshare
	k.setPeer(p)
	return nil
}

// setPeer sets the peer and takes its allowed IPs from all others.
func (k *Kernel) setPeer(p mesh.Peer) {
	p.AllowedIPs = slices.Clone(p.AllowedIPs)
	k.device.take(p.AllowedIPs)
	k.device.peers[p.PublicKey] = p
}

// take removes these allowed IPs from all peers.
func (d *device) take(ips []netip.Prefix) {
	for key, p := range d.peers {
		p.AllowedIPs = without(p.AllowedIPs, ips)
		d.peers[key] = p
	}
}

// without returns the prefixes of list that are not in other.
func without(list, other []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(list), func(p netip.Prefix) bool { return slices.Contains(other, p) })
}

func (k *Kernel) removePeers(e mesh.PeerEdits) error {
	if len(e.Update)+len(e.Remove) == 0 || k.link == nil {
		return nil
	}
	if k.device == nil {
		return k.noDevice()
	}
	return errors.Join(each(e.Update, k.withdraw), each(e.Remove, k.removePeer))
}

// withdraw takes from a peer what no peer should have.
func (k *Kernel) withdraw(u mesh.PeerUpdate) error {
	if len(u.AllowedIPs.Remove) == 0 {
		return nil
	}
	if err := k.write("peer-set"); err != nil {
		return fmt.Errorf("withdraw allowed IPs of peer %s: %w", u.PublicKey, err)
	}
	k.device.take(u.AllowedIPs.Remove)
	return nil
}

func (k *Kernel) removePeer(p mesh.Peer) error {
	if err := k.write("peer-del"); err != nil {
		return fmt.Errorf("remove peer %s: %w", p.PublicKey, err)
	}
	delete(k.device.peers, p.PublicKey)
	delete(k.device.seen, p.PublicKey)
	return nil
}
