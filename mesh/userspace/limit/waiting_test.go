package limit

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/device"
)

// keyOf is the public key of a peer with this number, and setting is what UAPI sets to add it.
func keyOf(number int) (key device.NoisePublicKey) {
	key[0], key[1] = byte(number), byte(number>>8)
	return key
}

func setting(number int, more ...string) string {
	key := keyOf(number)
	return "public_key=" + hex.EncodeToString(key[:]) + "\n" + strings.Join(append(more, ""), "\n")
}

func addressOf(number int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(number >> 8), byte(number), 1})
}

// packetTo is an IPv4 packet with UDP's header and payload bytes.
func packetTo(number, payload int, port byte) []byte {
	packet := make([]byte, 28+payload)
	packet[0], packet[9] = 0x45, 17
	to := addressOf(number).As4()
	copy(packet[16:], to[:])
	packet[23] = port
	return packet
}

// modelled is a device without sessions, which holds what waits for each peer.
type modelled struct {
	*Waiting
	holds   map[device.NoisePublicKey]int
	flushed map[device.NoisePublicKey]int
}

func newModelled(peers int) *modelled {
	m := &modelled{NewWaiting(), map[device.NoisePublicKey]int{}, map[device.NoisePublicKey]int{}}
	m.Flush(func(key device.NoisePublicKey) {
		m.flushed[key] += m.holds[key]
		delete(m.holds, key)
	})
	for i := range peers {
		m.Configure([]byte(setting(i, fmt.Sprintf("allowed_ip=%v/24", addressOf(i)))))
	}
	return m
}

// read has the device read packets to one peer, in new buffers, and returns the last one's.
func (m *modelled) read(packets, to, payload int, port byte) []byte {
	m.settle()
	last := buffer()
	m.enter(packets, packetTo(to, payload, port), last)
	m.holds[keyOf(to)] += packets
	return last
}

func (m *modelled) held() (total int) {
	m.settle()
	for _, n := range m.holds {
		total += n
	}
	return total
}

// TestWaitingOfManyPeers has packets for 5,000 peers that do not answer.
func TestWaitingOfManyPeers(t *testing.T) {
	m := newModelled(5000)
	for range 2 {
		for i := range 5000 {
			m.read(1, i, 100, 7)
			if held := m.held(); held > mostWaiting {
				t.Fatalf("%d packets wait, want %d at most", held, mostWaiting)
			}
		}
	}
	if held := m.held(); held < fewWaiting {
		t.Errorf("%d packets wait, want %d at least", held, fewWaiting)
	}
}

// TestWaitingSparesOthers has a flood to one peer that does not answer: what waits for another stays.
func TestWaitingSparesOthers(t *testing.T) {
	m := newModelled(3)
	m.read(3, 1, 100, 7)
	moving := m.read(2, 2, 100, 7)
	for range 10_000 {
		m.read(10, 0, 100, 7)
	}
	m.leave(moving)
	delete(m.holds, keyOf(2))
	m.held()
	if want := map[device.NoisePublicKey]int{keyOf(0): m.flushed[keyOf(0)]}; !maps.Equal(m.flushed, want) {
		t.Errorf("dropped %v, want of one peer only", m.flushed)
	}
	if m.total > mostWaiting || m.peers.byKey[keyOf(2)].count() != 0 {
		t.Errorf("%d count as inside, %d of the peer that answers", m.total, m.peers.byKey[keyOf(2)].count())
	}
	m.Configure([]byte(setting(0, "remove=true") + setting(1, "remove=true")))
	if m.total != 0 || len(m.inside) != 0 {
		t.Errorf("%d packets of %d removed peers count as inside", m.total, len(m.inside))
	}
}

// TestAskingWaitsNot has the datagrams that ask for handshakes: they wait for nothing. Those to a peer for which others
// wait leave these alone.
func TestAskingWaitsNot(t *testing.T) {
	m := newModelled(100)
	for i := range 99 {
		m.read(1, i, 1, discard)
	}
	if held := m.held(); held != 0 {
		t.Errorf("%d packets wait, want none", held)
	}
	m.read(1, 99, 100, 7)
	m.read(1, 99, 1, discard)
	m.read(1, 0, 2, discard)
	if held := m.held(); held != 3 {
		t.Errorf("%d packets wait, want 3", held)
	}
}

// TestPeersFollow has requests that change peers and allowed IPs.
func TestPeersFollow(t *testing.T) {
	s := newPeers()
	for _, step := range []struct {
		settings string
		removed  []int
		want     map[string]int
	}{
		{"private_key=00\nreplace_peers=true\n" + setting(1, "allowed_ip=10.0.1.0/24", "allowed_ip=fd00:1::/64") +
			setting(2, "allowed_ip=10.0.2.0/24", "allowed_ip=10.0.1.7/32"), nil,
			map[string]int{"10.0.1.1": 1, "10.0.1.7": 2, "10.0.2.1": 2, "fd00:1::5": 1, "10.0.3.1": 0, "fd00:2::5": 0}},
		{setting(3, "update_only=true", "allowed_ip=10.0.1.0/24"), []int{3}, map[string]int{"10.0.1.1": 1}},
		{setting(1, "update_only=true", "endpoint=192.0.2.1:1", "allowed_ip=10.0.2.0/24"), nil,
			map[string]int{"10.0.2.1": 1}},
		{setting(2, "remove=true"), []int{2}, map[string]int{"10.0.1.7": 1, "10.0.2.1": 1}},
		{setting(4, "allowed_ip=-10.0.2.0/24", "allowed_ip=nonsense"), nil, map[string]int{"10.0.2.1": 1}},
		{"replace_peers=true\n" + setting(4, "allowed_ip=10.0.4.0/24"), []int{1, 4},
			map[string]int{"10.0.2.1": 0, "10.0.4.1": 4}},
	} {
		var removed []int
		for _, p := range s.configure(step.settings) {
			removed = append(removed, int(p.key[0]))
		}
		if slices.Sort(removed); !slices.Equal(removed, step.removed) {
			t.Errorf("after %q %v are removed, want %v", step.settings, removed, step.removed)
		}
		got := map[string]int{}
		for addr := range step.want {
			if got[addr] = 0; s.lookup(netip.MustParseAddr(addr)) != nil {
				got[addr] = int(s.lookup(netip.MustParseAddr(addr)).key[0])
			}
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("after %q peers are (-want +got):\n%s", step.settings, diff)
		}
	}
	if got := s.lookup(netip.Addr{}); got != nil {
		t.Errorf("no address is of peer %d", got.key[0])
	}
}

// TestPeersSweep has peers come and go, each with an allowed IP of its own.
func TestPeersSweep(t *testing.T) {
	s := newPeers()
	for i := range 10_000 {
		s.configure(setting(1, fmt.Sprintf("allowed_ip=%v/32", addressOf(i))) + setting(1, "remove=true"))
	}
	if got := len(s.allowed); got > 100 {
		t.Errorf("%d allowed IPs are kept of no peers", got)
	}
}
