package rtnl

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// message is a notification as the kernel lays it out.
func message(kind uint16, header nl.NetlinkRequestData, attributes ...*nl.RtAttr) syscall.NetlinkMessage {
	data := header.Serialize()
	for _, a := range attributes {
		data = append(data, a.Serialize()...)
	}
	return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: data}
}

func routeHeader(family, length, table, protocol, kind uint8) nl.NetlinkRequestData {
	return &nl.RtMsg{RtMsg: unix.RtMsg{Family: family, Dst_len: length, Src_len: length, Table: table,
		Protocol: protocol, Type: kind}}
}

// netconf is the header of a notification about sysctls.
type netconf struct{}

func (netconf) Len() int { return sizeofNetconf }

func (netconf) Serialize() []byte { return []byte{unix.AF_INET, 0, 0, 0} }

func addr(text string) []byte { return netip.MustParseAddr(text).AsSlice() }

func TestParseEvent(t *testing.T) {
	link := nl.NewIfInfomsg(unix.AF_UNSPEC)
	link.Index, link.Flags = 7, unix.IFF_UP|unix.IFF_RUNNING
	port := nl.NewIfInfomsg(unix.AF_BRIDGE)
	port.Index = 7
	address := nl.NewIfAddrmsg(unix.AF_INET)
	address.Index = 7
	tests := []struct {
		name string
		in   syscall.NetlinkMessage
		want Event
	}{
		{
			name: "link",
			in: message(unix.RTM_NEWLINK, link,
				nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated("warren0")),
				nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(1420))),
			want: Event{Kind: LinkEvent, Index: 7, Name: "warren0", MTU: 1420, Up: true, Outward: true},
		},
		{name: "end of a pod's cable", in: message(unix.RTM_NEWLINK, link,
			nl.NewRtAttr(unix.IFLA_LINKINFO, nl.NewRtAttr(unix.IFLA_INFO_KIND, nl.ZeroTerminated("veth")).Serialize()),
			nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(3))),
			want: Event{Kind: LinkEvent, Index: 7, Up: true, Master: 3}},
		{name: "link deleted", in: message(unix.RTM_DELLINK, link),
			want: Event{Kind: LinkEvent, Gone: true, Index: 7, Up: true, Outward: true}},
		{name: "sysctl of all interfaces", in: message(unix.RTM_NEWNETCONF, netconf{},
			nl.NewRtAttr(netconfIndex, nl.Uint32Attr(0xffffffff)), nl.NewRtAttr(2, nl.Uint32Attr(0))),
			want: Event{Kind: SysctlEvent, Index: AllInterfaces}},
		{name: "sysctls of nothing", in: message(unix.RTM_NEWNETCONF, netconf{})},
		{name: "port of a bridge", in: message(unix.RTM_NEWLINK, port)},
		{name: "address deleted", in: message(unix.RTM_DELADDR, address),
			want: Event{Kind: AddressEvent, Gone: true, Index: 7}},
		{
			name: "route into the mesh",
			in: message(unix.RTM_NEWROUTE, routeHeader(unix.AF_INET, 24, mesh.TableMain, mesh.Protocol,
				unix.RTN_UNICAST),
				nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(mesh.TableMain)),
				nl.NewRtAttr(unix.RTA_DST, addr("10.244.2.0")),
				nl.NewRtAttr(unix.RTA_PREFSRC, addr("10.244.1.1")), nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(7))),
			want: Event{Kind: RouteEvent, Index: 7, Route: mesh.Route{
				Table: mesh.TableMain, Destination: netip.MustParsePrefix("10.244.2.0/24"),
				Source: netip.MustParseAddr("10.244.1.1"),
			}},
		},
		{
			name: "unreachable route deleted",
			in: message(unix.RTM_DELROUTE, routeHeader(unix.AF_INET6, 128, unix.RT_TABLE_COMPAT, mesh.Protocol,
				unix.RTN_UNREACHABLE),
				nl.NewRtAttr(unix.RTA_DST, addr("2001:db8::2")),
				nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(mesh.TableNodes)),
				nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(mesh.MetricLast)),
				nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(1))),
			want: Event{Kind: RouteEvent, Gone: true, Index: 1, Unreachable: true, Route: mesh.Route{
				Table: mesh.TableNodes, Destination: netip.MustParsePrefix("2001:db8::2/128"), Metric: mesh.MetricLast,
			}},
		},
		{name: "router's default route", in: message(unix.RTM_NEWROUTE, routeHeader(unix.AF_INET6, 0, mesh.TableMain,
			unix.RTPROT_RA, unix.RTN_UNICAST)), want: Event{Kind: AdvertisedEvent}},
		{
			name: "default route",
			in: message(unix.RTM_NEWROUTE, routeHeader(unix.AF_INET6, 0, mesh.TableMain, mesh.Protocol,
				unix.RTN_UNICAST)),
			want: Event{Kind: RouteEvent, Route: mesh.Route{Table: mesh.TableMain,
				Destination: netip.MustParsePrefix("::/0")}},
		},
		{
			name: "somebody else's route",
			in: message(unix.RTM_NEWROUTE, routeHeader(unix.AF_INET, 0, mesh.TableMain, unix.RTPROT_STATIC,
				unix.RTN_UNICAST)),
			want: Event{Kind: RouteEvent, Route: mesh.Route{Table: mesh.TableMain, Foreign: unix.RTPROT_STATIC,
				Destination: netip.MustParsePrefix("0.0.0.0/0")}},
		},
		{
			name: "somebody else's route in a table of warren's",
			in: message(unix.RTM_NEWROUTE, routeHeader(unix.AF_INET, 0, unix.RT_TABLE_COMPAT, unix.RTPROT_STATIC,
				unix.RTN_UNICAST), nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(mesh.TablePods))),
			want: Event{Kind: RouteEvent, Route: mesh.Route{Table: mesh.TablePods, Foreign: unix.RTPROT_STATIC,
				Destination: netip.MustParsePrefix("0.0.0.0/0")}},
		},
		{
			name: "somebody else's route deleted",
			in: message(unix.RTM_DELROUTE, routeHeader(unix.AF_INET, 0, mesh.TableMain, unix.RTPROT_STATIC,
				unix.RTN_UNICAST)),
			want: Event{Kind: RouteEvent, Gone: true, Route: mesh.Route{Table: mesh.TableMain,
				Foreign: unix.RTPROT_STATIC, Destination: netip.MustParsePrefix("0.0.0.0/0")}},
		},
		{
			name: "rule",
			in: message(unix.RTM_NEWRULE, routeHeader(unix.AF_INET, 24, 0, 0, 0),
				nl.NewRtAttr(nl.FRA_PRIORITY, nl.Uint32Attr(100)), nl.NewRtAttr(nl.FRA_SRC, addr("10.244.1.0"))),
			want: Event{Kind: RuleEvent},
		},
		{
			name: "rule deleted", in: message(unix.RTM_DELRULE, routeHeader(unix.AF_INET6, 0, mesh.TableMain, 0, 0)),
			want: Event{Kind: RuleEvent, Gone: true},
		},
		{name: "neighbour", in: syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWNEIGH}}},
		{name: "too short", in: syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWROUTE},
			Data: make([]byte, 3)}},
		{name: "too short and deleted", in: syscall.NetlinkMessage{
			Header: syscall.NlMsghdr{Type: unix.RTM_DELROUTE}, Data: make([]byte, 3)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := cmp.Options{cmp.Comparer(equal[netip.Prefix]), cmp.Comparer(equal[netip.Addr])}
			if diff := cmp.Diff(tt.want, parseEvent(tt.in), opts); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func equal[T comparable](a, b T) bool { return a == b }

// FuzzParseEvent checks that no notification, of whatever later kernel, ends the daemon.
func FuzzParseEvent(f *testing.F) {
	for _, kind := range []uint16{unix.RTM_NEWLINK, unix.RTM_NEWADDR, unix.RTM_NEWROUTE, unix.RTM_NEWRULE} {
		m := message(kind, routeHeader(unix.AF_INET, 24, 0, mesh.Protocol, unix.RTN_UNICAST),
			nl.NewRtAttr(unix.RTA_DST, addr("10.244.2.0")), nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(5)))
		f.Add(kind, m.Data)
	}
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		parseEvent(syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: data})
	})
}
