package mesh_test

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

// TestLines shows changes as the log has them.
func TestLines(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	endpoint, off := netip.MustParseAddrPort("192.0.2.2:51820"), time.Duration(0)
	route := mesh.Route{
		Table: mesh.TablePods, Destination: prefix("10.244.2.0/24"), Link: "warren0", Source: addr("10.244.1.1"),
	}
	for name, tt := range map[string]struct {
		change mesh.Change
		want   []string
	}{
		"a node joins": {
			mesh.Change{
				NodeIPs: mesh.Edits[netip.Addr]{Add: []netip.Addr{addr("192.0.2.2")}},
				Peers: mesh.PeerEdits{Add: []mesh.Peer{
					{PublicKey: key("b"), Node: "b", Endpoint: endpoint, AllowedIPs: []netip.Prefix{route.Destination}},
				}},
				Routes: mesh.Edits[mesh.Route]{Add: []mesh.Route{route}},
			},
			[]string{
				`"guarded node address added" value=192.0.2.2`,
				`"peer added" node=b peer="tJ8MEngY2D8fcS22p//vSb/5NiEfSVIqD0/qAb040Bg=" ` +
					`endpoint=192.0.2.2:51820 allowed_ips=[10.244.2.0/24]`,
				`"route added" value="10.244.2.0/24 dev warren0 src 10.244.1.1 table 8787"`,
			},
		},
		"a node leaves": {
			mesh.Change{
				Peers:  mesh.PeerEdits{Remove: []mesh.Peer{{PublicKey: key("b"), Node: "b"}}},
				Routes: mesh.Edits[mesh.Route]{Remove: []mesh.Route{route}},
			},
			[]string{
				`"route removed" value="10.244.2.0/24 dev warren0 src 10.244.1.1 table 8787"`,
				`"peer removed" node=b peer="tJ8MEngY2D8fcS22p//vSb/5NiEfSVIqD0/qAb040Bg="`,
			},
		},
		"a node changes": {
			mesh.Change{Peers: mesh.PeerEdits{Update: []mesh.PeerUpdate{
				{PublicKey: key("b"), Node: "b", Endpoint: &endpoint},
				{
					PublicKey: key("c"), Node: "c", Keepalive: &off,
					AllowedIPs: mesh.Edits[netip.Prefix]{Add: []netip.Prefix{route.Destination}},
				},
			}}},
			[]string{
				`"peer updated" node=b peer="tJ8MEngY2D8fcS22p//vSb/5NiEfSVIqD0/qAb040Bg=" endpoint=192.0.2.2:51820`,
				`"peer updated" node=c peer="MCEmyakwpKpuSpvOwiHZeLoH0nTmz3sO4wc/H1t7klA=" ` +
					`allowed_ips_added=[10.244.2.0/24] keepalive=0s`,
			},
		},
		"another key": {
			mesh.Change{
				Device:    &mesh.Device{PublicKey: key("a"), Port: 51820},
				OldDevice: mesh.Device{PublicKey: key("b"), Port: 51820},
			},
			[]string{
				`"device set" public_key="NKfKi73tTj8kxg7LZV+SNawbEtl66mmMVU34vx2VDy0=" port=51820 ` +
					`old_public_key="tJ8MEngY2D8fcS22p//vSb/5NiEfSVIqD0/qAb040Bg="`,
			},
		},
		"somebody's port and mark": {
			mesh.Change{
				Device:    &mesh.Device{PublicKey: key("a"), Port: 51820},
				OldDevice: mesh.Device{PublicKey: key("a"), Port: 40000, Mark: 0x4000},
			},
			[]string{
				`"device set" public_key="NKfKi73tTj8kxg7LZV+SNawbEtl66mmMVU34vx2VDy0=" port=51820 old_port=40000 ` +
					`old_fwmark=0x4000`,
			},
		},
		"the host": {
			mesh.Change{
				Sysctls:         []mesh.Sysctl{{Name: "net/ipv4/ip_forward", Value: "1"}},
				Firewall:        &mesh.Firewall{Link: "warren0", NodeIPs: []netip.Addr{addr("192.0.2.1")}},
				Link:            &mesh.Link{Name: "warren0", MTU: 1420},
				Addresses:       mesh.Edits[netip.Prefix]{Add: []netip.Prefix{prefix("10.244.1.1/32")}},
				BridgeMTU:       1420,
				FixBridge:       true,
				BridgeAddresses: mesh.Edits[netip.Prefix]{Remove: []netip.Prefix{prefix("10.244.9.1/24")}},
				Device:          &mesh.Device{PublicKey: key("a"), Port: 51820},
				Rules: mesh.RuleEdits{
					Set: []mesh.Rule{
						{To: prefix("10.244.0.0/16"), Table: mesh.TablePods},
						{IPv6: true, Table: mesh.TableLocal},
						{IPv6: true, Incoming: "warren0", Table: mesh.TableNodes},
					},
					Remove: []mesh.Rule{{Mark: 1, Mask: 1, Table: mesh.TableMain, Astray: true, Preference: 98}},
				},
			},
			[]string{
				`"sysctl set" sysctl=net/ipv4/ip_forward value=1`,
				`"firewall table replaced" iface=warren0 nodes=1`,
				`"interface set" iface=warren0 mtu=1420`,
				`"interface address added" value=10.244.1.1/32`,
				`"bridge set" mtu=1420`,
				`"bridge keeps its hardware address from now on"`,
				`"bridge address removed" value=10.244.9.1/24`,
				`"device set" public_key="NKfKi73tTj8kxg7LZV+SNawbEtl66mmMVU34vx2VDy0=" port=51820`,
				`"rules set" value="inet to 10.244.0.0/16 lookup 8787"`,
				`"rules set" value="inet6 lookup local,inet6 iif warren0 lookup 8788"`,
				`"rule removed" value="98: inet fwmark 0x1/0x1 lookup main"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, logged(tt.change.Lines())); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

// logged is what slog makes of the lines, without level.
func logged(lines []mesh.Line) []string {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
	for _, line := range lines {
		log.Info(line.Message, line.Args...)
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(b.String(), "msg=", ""), "\n"), "\n")
}
