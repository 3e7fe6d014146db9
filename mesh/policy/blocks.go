package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// prefixes returns the block's addresses as prefixes that do not overlap, sorted.
func (b Block) prefixes() []netip.Prefix { return without(b.CIDR, b.Except) }

// without halves p until each half is in one of the prefixes that are left out, or clear of all of them.
func without(p netip.Prefix, except []netip.Prefix) []netip.Prefix {
	var inside []netip.Prefix
	for _, e := range except {
		switch {
		case !e.Overlaps(p):
		case e.Bits() <= p.Bits():
			return nil
		default:
			inside = append(inside, e)
		}
	}
	if len(inside) == 0 {
		return []netip.Prefix{p}
	}
	low, high := halves(p)
	return append(without(low, inside), without(high, inside)...)
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits() + 1
	bytes := p.Addr().AsSlice()
	bytes[(bits-1)/8] |= 0x80 >> ((bits - 1) % 8)
	upper, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(p.Addr(), bits), netip.PrefixFrom(upper, bits)
}

// String returns "198.51.100.0/24 except 198.51.100.128/25", with the exceptions sorted.
func (b Block) String() string {
	if len(b.Except) == 0 {
		return b.CIDR.String()
	}
	var except []string
	for _, e := range b.Except {
		except = append(except, e.String())
	}
	slices.Sort(except)
	return b.CIDR.String() + " except " + strings.Join(slices.Compact(except), ", ")
}

// outermost returns the prefixes that are in none of the others, sorted: those that an interval set can hold together.
func outermost(all []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, netip.Prefix.Compare)
	var kept []netip.Prefix
	for _, p := range sorted {
		if len(kept) == 0 || !kept[len(kept)-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}
