package routing

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

func TestRoutesThereAndBack(t *testing.T) {
	for _, want := range []mesh.Route{
		{
			Table: mesh.TableMain, Destination: netip.MustParsePrefix("10.244.2.0/24"), Link: "warren0",
			Source: netip.MustParseAddr("10.244.1.1"),
		},
		{Table: mesh.TableMesh, Destination: netip.MustParsePrefix("192.0.2.2/32"), Metric: mesh.MetricLast},
		{Table: mesh.TableMesh, Destination: netip.MustParsePrefix("2001:db8::2/128"), Link: "warren0",
			Metric: mesh.MetricIPv6},
	} {
		route := fromRoute(want, 7)
		if got := toRoute(*route, want.Link); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		if unicast := route.Type == unix.RTN_UNICAST; route.Protocol != mesh.Protocol || unicast != Unicast(want) {
			t.Errorf("%v: protocol %v, type %d", want, route.Protocol, route.Type)
		}
	}
}

// The kernel leaves the destination of a default route out.
func TestDefaultRoute(t *testing.T) {
	for family, want := range map[int]string{unix.AF_INET: "0.0.0.0/0", unix.AF_INET6: "::/0"} {
		if got := toRoute(netlink.Route{Family: family}, "").Destination.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestRulesThereAndBack(t *testing.T) {
	for _, want := range []mesh.Rule{
		{Priority: 98, Mark: 0x800000, Mask: 0x800000, Table: mesh.TableMain},
		{IPv6: true, Priority: 100, From: netip.MustParsePrefix("fd00:10:244::/48"), Table: mesh.TableMesh},
		{Priority: 101, Incoming: "warren0", Table: mesh.TableMesh},
	} {
		rule := fromRule(want)
		if got := toRule(*rule); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		if rule.Protocol != mesh.Protocol {
			t.Errorf("%v: protocol %d", want, rule.Protocol)
		}
	}
}
