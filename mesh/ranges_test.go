package mesh

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// TestRangesAgainstScan compares every answer with that of the obvious scan.
func TestRangesAgainstScan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	prefix := func() netip.Prefix {
		ip := netip.AddrFrom4([4]byte{10, byte(random.IntN(4)), byte(random.IntN(4)), byte(random.IntN(256))})
		p, err := ip.Prefix(14 + random.IntN(19))
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(3) > 0 {
			return p
		}
		ip = netip.AddrFrom16([16]byte{0xfd, 15: byte(random.IntN(16))})
		return netip.PrefixFrom(ip, 120+random.IntN(9)).Masked()
	}
	for range 50 {
		var r ranges
		var taken []netip.Prefix
		for range 100 {
			p := prefix()
			_, overlaps := overlapping(taken, p)
			if claim, found := r.find(p); found != overlaps || found && !claim.prefix.Overlaps(p) {
				t.Fatalf("find(%v) = %v, %v among %v", p, claim, found, taken)
			}
			if added := r.add(p, "n"); added == overlaps {
				t.Fatalf("add(%v) = %v among %v", p, added, taken)
			}
			if !overlaps {
				taken = append(taken, p)
			}
		}
		if got := r.prefixes(); len(got) != len(taken) {
			t.Fatalf("%v are claimed, want %v", got, taken)
		}
	}
}
