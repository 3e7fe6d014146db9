package mesh_test

import (
	"net/netip"
	"strings"
	"testing"

	"warren.mesh/mesh"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*mesh.Config)
		want   string
	}{
		{"defaults", func(*mesh.Config) {}, ""},
		{"all set", func(c *mesh.Config) {
			*c = config("10.244.0.0/16", "fd00::/48")
			c.NodeCIDRs, c.PlainFrom = list("192.0.2.0/24"), list("198.51.100.7/32", "2001:db8::/64")
		}, ""},
		{"no interface", func(c *mesh.Config) { c.Link = "" }, "interface names"},
		{"one interface for both", func(c *mesh.Config) { c.Bridge = c.Link }, "interface names"},
		{"long name", func(c *mesh.Config) { c.Bridge = strings.Repeat("x", 16) }, "interface names"},
		{"no port", func(c *mesh.Config) { c.Port = 0 }, "port 0"},
		{"no MTU", func(c *mesh.Config) { c.MTU = 0 }, "MTU 0 is not between 576 and 65535"},
		{"huge MTU", func(c *mesh.Config) { c.MTU = 65536 }, "MTU 65536"},
		{"MTU too small for IPv6", func(c *mesh.Config) {
			c.MTU, c.ClusterCIDRs = 1279, list("fd00::/48")
		}, "MTU 1279 is not between 1280"},
		{"MTU too small for IPv6, not used", func(c *mesh.Config) { c.MTU = 1279 }, ""},
		{"no mark", func(c *mesh.Config) { c.Mark = 0 }, "mark 0x0"},
		{"two bits of mark", func(c *mesh.Config) { c.Mark = 3 }, "mark 0x3"},
		{"kube-proxy's mark", func(c *mesh.Config) { c.Mark = 0x4000 }, "kube-proxy"},
		{"host bits", func(c *mesh.Config) {
			c.ClusterCIDRs = []netip.Prefix{netip.MustParsePrefix("10.244.0.1/16")}
		}, "10.244.0.1/16 is not a CIDR"},
		{"no CIDR", func(c *mesh.Config) { c.NodeCIDRs = []netip.Prefix{{}} }, "is not a CIDR"},
		{"IPv4 as IPv6", func(c *mesh.Config) { c.NodeCIDRs = list("::ffff:0.0.0.0/96") }, "is not a CIDR"},
		{"overlapping", func(c *mesh.Config) {
			c.ClusterCIDRs = list("10.0.0.0/8", "10.244.0.0/16")
		}, "10.0.0.0/8 and 10.244.0.0/16 overlap"},
		{"nodes among pods", func(c *mesh.Config) {
			c.ClusterCIDRs, c.NodeCIDRs = list("10.0.0.0/8"), list("10.1.0.0/16")
		}, "node CIDR 10.1.0.0/16 overlaps"},
		{"plain text from pods", func(c *mesh.Config) {
			c.ClusterCIDRs, c.PlainFrom = list("10.244.0.0/16"), list("10.0.0.0/8")
		}, "plain text from 10.0.0.0/8 overlaps with the cluster CIDR 10.244.0.0/16"},
		{"plain text from nodes", func(c *mesh.Config) {
			c.NodeCIDRs, c.PlainFrom = list("192.0.2.0/24"), list("192.0.2.9/32")
		}, "plain text from 192.0.2.9/32 overlaps with the node CIDR 192.0.2.0/24"},
		{"plain text from twice", func(c *mesh.Config) {
			c.PlainFrom = list("0.0.0.0/0", "192.0.2.9/32")
		}, "0.0.0.0/0 and 192.0.2.9/32 overlap"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := mesh.Defaults()
			tt.change(&cfg)
			err := cfg.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate = %v, want %q", err, tt.want)
			}
		})
	}
}

func list(texts ...string) []netip.Prefix {
	return config(texts...).ClusterCIDRs
}
