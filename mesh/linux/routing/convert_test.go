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
			Table: mesh.TablePods, Destination: netip.MustParsePrefix("10.244.2.0/24"), Link: "warren0",
			Source: netip.MustParseAddr("10.244.1.1"),
		},
		{Table: mesh.TableNodes, Destination: netip.MustParsePrefix("192.0.2.2/32"), Metric: mesh.MetricLast},
		{Table: mesh.TableNodes, Destination: netip.MustParsePrefix("2001:db8::2/128"), Link: "warren0",
			Metric: mesh.MetricIPv6},
		{Table: mesh.TableNodes, Destination: netip.MustParsePrefix("192.0.2.0/28"), Link: "eth0", Foreign: 4, TOS: 16},
	} {
		route := fromRoute(want, 7)
		if got := toRoute(*route, want.Link); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		if unicast := route.Type == unix.RTN_UNICAST; route.Protocol != protocol(want) || unicast != Unicast(want) {
			t.Errorf("%v: protocol %v, type %d", want, route.Protocol, route.Type)
		}
	}
}

func protocol(r mesh.Route) netlink.RouteProtocol {
	if r.Foreign != 0 {
		return netlink.RouteProtocol(r.Foreign)
	}
	return mesh.Protocol
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
		{Mark: 0x800000, Mask: 0x800000, Table: mesh.TableMain},
		{IPv6: true, From: netip.MustParsePrefix("fd00:10:244::/48"), Table: mesh.TableNodes},
		{To: netip.MustParsePrefix("10.244.0.0/16"), Table: mesh.TablePods},
		{IPv6: true, To: netip.MustParsePrefix("fd00:10:244::/48"), Table: mesh.TablePods},
		{Incoming: "warren0", Table: mesh.TableNodes},
		{Table: mesh.TableLocal},
	} {
		rule := fromRule(want, 50)
		if got := toRule(*rule); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		if rule.Protocol != mesh.Protocol || rule.Priority != 50 {
			t.Errorf("%v: protocol %d, preference %d", want, rule.Protocol, rule.Priority)
		}
	}
}
