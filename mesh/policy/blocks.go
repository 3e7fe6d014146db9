package policy

import (
	"net/netip"
	"slices"
)

// span is the addresses from first to last.
type span struct{ first, last netip.Addr }

// spans returns the block's addresses, sorted: at most one span more than there are exceptions. As prefixes they would
// be up to 128 for each.
func (b Block) spans() (all []span) {
	next := b.CIDR.Addr()
	for _, e := range outermost(b.Except) {
		switch {
		case !e.Overlaps(b.CIDR):
			continue
		case e.Bits() <= b.CIDR.Bits():
			return nil
		case next.Less(e.Addr()):
			all = append(all, span{next, e.Addr().Prev()})
		}
		if next = lastOf(e).Next(); !b.CIDR.Contains(next) {
			return all
		}
	}
	return append(all, span{next, lastOf(b.CIDR)})
}

// fewBlocks is how many blocks of a rule have sets of their own. So one more needs no other set, and whatever the
// others have let through is not judged again. The blocks of a long list are one set: nft and the kernel find a set by
// its name in a list.
const fewBlocks = 16

// blocks returns the rule's blocks by family if there are many, and its other peers.
func (r Rule) blocks() (peers []Peer, blocks [2][]Block) {
	for _, p := range r.Peers {
		if p.Block != nil {
			f := familyOf(p.Block.CIDR.Addr())
			blocks[f] = append(blocks[f], *p.Block)
		} else {
			peers = append(peers, p)
		}
	}
	if len(blocks[0])+len(blocks[1]) <= fewBlocks {
		return r.Peers, [2][]Block{}
	}
	return peers, blocks
}

// union returns the addresses of several blocks of one family, sorted; spans that meet are one.
func union(blocks []Block) (all []span) {
	var spans []span
	for _, b := range blocks {
		spans = append(spans, b.spans()...)
	}
	slices.SortFunc(spans, func(a, b span) int { return a.first.Compare(b.first) })
	for _, s := range spans {
		n := len(all)
		switch {
		case n == 0 || all[n-1].last.Less(s.first) && all[n-1].last.Next() != s.first:
			all = append(all, s)
		case all[n-1].last.Less(s.last):
			all[n-1].last = s.last
		}
	}
	return all
}

// lastOf returns the prefix's last address.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(bytes); bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
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
