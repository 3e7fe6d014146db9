package sysctl

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"
)

// Interfaces that may get an advertisement later are those that lead out of the host.
func TestMayBeAdvertised(t *testing.T) {
	for _, tt := range []struct {
		name string
		link netlink.Link
		want bool
	}{
		{"hardware", &netlink.Device{}, true},
		{"bond", &netlink.Bond{}, true},
		{"port of a bridge", &netlink.Device{LinkAttrs: netlink.LinkAttrs{MasterIndex: 3}}, false},
		{"loopback", &netlink.Device{LinkAttrs: netlink.LinkAttrs{Flags: net.FlagLoopback}}, false},
		{"end of a pod's cable", &netlink.Veth{}, false},
		{"another engine's bridge", &netlink.Bridge{}, false},
		{"tunnel", &netlink.Wireguard{}, false},
	} {
		if got := mayBeAdvertised(tt.link); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
