package linux

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func gateways(n int) []netip.Addr {
	addrs := make([]netip.Addr, n)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{10, 244, byte(i), 1})
	}
	return addrs
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		took func(time.Duration) bool
	}{
		{"a few at once", kickAtOnce, func(d time.Duration) bool { return d == 0 }},
		{"many within the time", 250, func(d time.Duration) bool { return d > kickSpread/2 && d < kickSpread }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, all := time.Now(), gateways(tt.n)
				sent := map[netip.Addr]int{}
				spread(t.Context(), all, func(a netip.Addr) { sent[a]++ })
				for _, a := range all {
					if sent[a] != 1 {
						t.Errorf("%v kicked %d times", a, sent[a])
					}
				}
				if took := time.Since(start); !tt.took(took) {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestSpreadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sent := 0
		spread(ctx, gateways(100), func(netip.Addr) {
			if sent++; sent == 10 {
				cancel()
			}
		})
		if sent != 10 {
			t.Errorf("%d sent, want 10", sent)
		}
	})
}
