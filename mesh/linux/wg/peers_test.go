package wg

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

func TestChunks(t *testing.T) {
	// Each number is a peer with so many allowed IPs.
	peers := func(n int, ips ...int) []wgtypes.PeerConfig {
		var all []wgtypes.PeerConfig
		for range n {
			for _, count := range ips {
				all = append(all, wgtypes.PeerConfig{AllowedIPs: make([]net.IPNet, count)})
			}
		}
		return all
	}
	tests := []struct {
		name string
		in   []wgtypes.PeerConfig
		want []int
	}{
		{name: "none"},
		{name: "one", in: peers(1, 2), want: []int{1}},
		{name: "full", in: peers(maxPeers, 2), want: []int{maxPeers}},
		{name: "one more", in: peers(maxPeers+1, 2), want: []int{maxPeers, 1}},
		{name: "many", in: peers(100, 4), want: []int{32, 32, 32, 4}},
		{name: "by addresses", in: peers(5, 100), want: []int{2, 2, 1}},
		{name: "more addresses than a message holds", in: peers(1, 3, 1000, 3), want: []int{1, 1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int
			for chunk := range chunks(tt.in) {
				got = append(got, len(chunk))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lengths (-want +got)\n%s", diff)
			}
		})
	}
}

func TestPeerThereAndBack(t *testing.T) {
	for _, endpoint := range []string{"192.0.2.2:51820", "[2001:db8::2]:51820", ""} {
		want := mesh.Peer{
			PublicKey:  keys.Public{5},
			AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.244.2.0/24"), netip.MustParsePrefix("fd00::/64")},
			Keepalive:  25 * time.Second,
		}
		if endpoint != "" {
			want.Endpoint = netip.MustParseAddrPort(endpoint)
		}
		config := addPeer(want)
		device := wgtypes.Peer{
			PublicKey:                   config.PublicKey,
			Endpoint:                    config.Endpoint,
			PersistentKeepaliveInterval: *config.PersistentKeepaliveInterval,
			AllowedIPs:                  config.AllowedIPs,
			LastHandshakeTime:           time.Unix(0, 0),
			ReceiveBytes:                1,
			TransmitBytes:               1 << 40,
		}
		if got := toPeer(device); want.String() != got.String() {
			t.Errorf("got %v, want %v", got, want)
		}
		status := mesh.PeerStatus{PublicKey: want.PublicKey, Endpoint: want.Endpoint, Received: 1, Sent: 1 << 40}
		if got := toStatus(device); got != status {
			t.Errorf("got %v, want %v", got, status)
		}
	}
}
