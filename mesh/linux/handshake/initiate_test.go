package handshake

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh"
)

func numbers(n int) []netip.Addr {
	addrs := make([]netip.Addr, n)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
	}
	return addrs
}

// asked returns when each address was sent to, after the begin.
func asked(t *testing.T, now, later []netip.Addr) map[netip.Addr]time.Duration {
	t.Helper()
	begin, all := time.Now(), map[netip.Addr]time.Duration{}
	takeTurns(t.Context(), now, later, func(a netip.Addr) {
		if _, again := all[a]; again {
			t.Errorf("%v is sent to again", a)
		}
		all[a] = time.Since(begin)
	})
	if len(all) != len(now)+len(later) {
		t.Errorf("%d of %d sent to", len(all), len(now)+len(later))
	}
	return all
}

// All are asked in time, however they are divided.
func TestHandshakesInTime(t *testing.T) {
	for _, tt := range []struct {
		peers  int
		within time.Duration
	}{{2, 300 * time.Millisecond}, {999, time.Second}, {4999, 1300 * time.Millisecond}} {
		for _, lower := range []int{0, 1, tt.peers / 2, tt.peers} {
			t.Run(fmt.Sprintf("%d peers, %d lower", tt.peers, lower), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					all := numbers(tt.peers)
					at := slices.Sorted(maps.Values(asked(t, all[lower:], all[:lower])))
					if last := at[len(at)-1]; last > tt.within {
						t.Errorf("the last is asked after %v", last)
					}
					// No tenth of the time has more than its share, but for a few.
					for i := atOnce + tt.peers/5; i < len(at); i++ {
						if took := at[i] - at[i-atOnce-tt.peers/5]; took < spreadOf(tt.peers)/10 {
							t.Errorf("a fifth of all within %v", took)
						}
					}
				})
			})
		}
	}
}

// Two nodes that learn of each other at the same moment never begin at the same moment.
func TestHandshakesOfTwo(t *testing.T) {
	for _, n := range []int{2, 9, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			all := numbers(n)
			lowest, highest := all[0], all[n-1]
			var there, back time.Duration
			synctest.Test(t, func(t *testing.T) {
				now, later := turns([]netip.Addr{lowest}, all[1:])
				there = asked(t, now, later)[highest]
			})
			synctest.Test(t, func(t *testing.T) {
				now, later := turns([]netip.Addr{highest}, all[:n-1])
				back = asked(t, now, later)[lowest]
			})
			if back-there < turnAfter {
				t.Errorf("begun after %v, and from the other side after %v", there, back)
			}
		})
	}
}

func TestHandshakesEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sent := 0
		takeTurns(ctx, numbers(100), nil, func(netip.Addr) {
			if sent++; sent == 10 {
				cancel()
			}
		})
		if sent != 10 {
			t.Errorf("%d sent, want 10", sent)
		}
	})
}

// Only peers that were not asked are asked again, a few times.
func TestHandshakesAgain(t *testing.T) {
	for name, tt := range map[string]struct{ remaining, want []int }{
		"all answer":  {[]int{0}, []int{5}},
		"some answer": {[]int{2, 0}, []int{5, 2}},
		"none answer": {[]int{5, 5, 5, 5}, []int{5, 5, 5, 5, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []int
				begin := time.Now()
				retry(t.Context(), make([]mesh.Peer, 5), func(all []mesh.Peer) []mesh.Peer {
					left := all[:tt.remaining[0]]
					tt.remaining = tt.remaining[1:]
					return left
				}, func(some []mesh.Peer) { asked = append(asked, len(some)) })
				if !slices.Equal(asked, tt.want) || time.Since(begin) > 15*time.Second {
					t.Errorf("asked %d in %v, want %d", asked, time.Since(begin), tt.want)
				}
			})
		})
	}
}
