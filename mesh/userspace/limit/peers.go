package limit

import (
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.zx2c4.com/wireguard/device"
)

// peer counts the packets of a peer.
type peer struct {
	key device.NoisePublicKey
	// id is in the packets' marks, and never used again.
	id uint64
	// entered and left are the numbers of the last packet that entered and of the last that left or was dropped.
	entered, left uint64
	// removed says that the device no longer has the peer.
	removed bool
}

func (p *peer) count() uint64 { return p.entered - p.left }

// peers are a device's peers and allowed IPs, as far as Waiting needs them: the device tells nobody for which peer a
// packet is. A mistake would cost another peer what waits for it, and no more: so an allowed IP that a peer has lost
// stays until another peer gets it.
type peers struct {
	byKey map[device.NoisePublicKey]*peer
	byID  map[uint64]*peer
	last  uint64 // id
	// allowed has the peer of each allowed IP, and lengths the prefix lengths that occur, longest first. They never
	// shrink: a mesh has two of each address family.
	allowed map[netip.Prefix]*peer
	lengths []int
}

func newPeers() peers {
	return peers{
		byKey: map[device.NoisePublicKey]*peer{}, byID: map[uint64]*peer{}, allowed: map[netip.Prefix]*peer{},
	}
}

// configure follows a request of UAPI that sets something (https://www.wireguard.com/xplatform/), line by line as the
// device does. It returns the peers that were removed.
func (s *peers) configure(settings string) (removed []*peer) {
	var now *peer // nil where the lines do not matter
	created := false
	remove := func(p *peer) {
		s.remove(p)
		removed, now = append(removed, p), nil
	}
	for line := range strings.Lines(settings) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); {
		case key == "replace_peers":
			for _, p := range s.byKey {
				remove(p)
			}
		case key == "public_key":
			now, created = s.get(value)
		case now == nil:
		case key == "remove", key == "update_only" && created:
			remove(now)
		case key == "allowed_ip":
			s.allow(value, now)
		}
	}
	s.sweep()
	return removed
}

// get returns the peer with a public key, in hexadecimal, which it creates if there is none.
func (s *peers) get(text string) (p *peer, created bool) {
	var key device.NoisePublicKey
	_, _ = hex.Decode(key[:], []byte(text)) // The device has parsed it before.
	if p := s.byKey[key]; p != nil {
		return p, false
	}
	s.last++
	p = &peer{key: key, id: s.last}
	s.byKey[key], s.byID[p.id] = p, p
	return p, true
}

func (s *peers) remove(p *peer) {
	p.removed = true
	delete(s.byKey, p.key)
	delete(s.byID, p.id)
}

// allow gives an allowed IP to the peer.
func (s *peers) allow(text string, p *peer) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return // With a sign: WireGuard's way to take it from the peer.
	}
	s.allowed[prefix.Masked()] = p
	if !slices.Contains(s.lengths, prefix.Bits()) {
		s.lengths = append(s.lengths, prefix.Bits())
		slices.SortFunc(s.lengths, func(a, b int) int { return b - a })
	}
}

// sweep forgets the allowed IPs of removed peers when they may be the most: a mesh gives a peer about four.
func (s *peers) sweep() {
	if len(s.allowed) > 64+8*len(s.byKey) {
		maps.DeleteFunc(s.allowed, func(_ netip.Prefix, p *peer) bool { return p.removed })
	}
}

// lookup returns the peer that has the address; nil for none.
func (s *peers) lookup(addr netip.Addr) *peer {
	for _, bits := range s.lengths {
		prefix, err := addr.Prefix(bits)
		if err != nil {
			continue // The other address family's.
		}
		if p := s.allowed[prefix]; p != nil && !p.removed {
			return p
		}
	}
	return nil
}
