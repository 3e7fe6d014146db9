package handshake

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestTurns(t *testing.T) {
	addrs := func(texts ...string) []netip.Addr {
		var list []netip.Addr
		for _, text := range texts {
			list = append(list, netip.MustParseAddr(text))
		}
		return list
	}
	for name, test := range map[string]struct{ own, gateways, now, later []netip.Addr }{
		"lower ones later": {
			own:      addrs("10.244.1.1", "fd00:10:244:1::1"),
			gateways: addrs("10.244.0.1", "10.244.2.1", "fd00:10:244::1", "fd00:10:244:2::1"),
			now:      addrs("10.244.2.1", "fd00:10:244:2::1"),
			later:    addrs("10.244.0.1", "fd00:10:244::1"),
		},
		"no address of that family": {
			own:      addrs("10.244.1.1", "fe80::1"),
			gateways: addrs("fd00:10:244::1"),
			now:      addrs("fd00:10:244::1"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			now, later := turns(test.own, test.gateways)
			equal := []cmp.Option{cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}
			if diff := cmp.Diff(test.now, now, equal...); diff != "" {
				t.Errorf("now (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.later, later, equal...); diff != "" {
				t.Errorf("later (-want +got):\n%s", diff)
			}
		})
	}
}
