package rtnl

import (
	"net"
	"net/netip"
	"testing"
)

func TestPrefixes(t *testing.T) {
	mapped := &net.IPNet{IP: net.ParseIP("10.0.0.0"), Mask: net.CIDRMask(104, 128)}
	for _, tt := range []struct {
		in   *net.IPNet
		want string
	}{
		{nil, "invalid Prefix"},
		{&net.IPNet{}, "invalid Prefix"},
		{mapped, "10.0.0.0/8"},
		{ToIPNet(netip.MustParsePrefix("10.0.0.7/24")), "10.0.0.7/24"},
		{ToIPNet(netip.MustParsePrefix("fd00::1/128")), "fd00::1/128"},
	} {
		if got := ToPrefix(tt.in).String(); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.in, got, tt.want)
		}
	}
	if ToIPNet(netip.Prefix{}) != nil {
		t.Error("no prefix: want nil")
	}
}
