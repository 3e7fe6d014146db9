package policy

import (
	"iter"
	"net/netip"

	"warren.mesh/mesh/nft"
)

// homes are addresses and their owners by namespace: a set whose group admits none of a namespace asks for none.
type homes map[home][]held

type held struct {
	ip netip.Addr
	owner
}

func byHome(owners map[netip.Addr]owner) homes {
	all := homes{}
	for ip, o := range owners {
		if o.Pod != nil {
			all[o.home] = append(all[o.home], held{ip, o})
		}
	}
	return all
}

// of returns the elements that one set has because of the addresses.
func (h homes) of(s *set) (elements []nft.Element) {
	for home, owners := range h {
		if !s.group.admits(home) {
			continue
		}
		for _, o := range owners {
			elements = append(elements, s.ofPod(o.owner, o.ip)...)
		}
	}
	return elements
}

// elements returns the elements that all sets of a catalog have because of the addresses.
func (h homes) elements(c catalog) iter.Seq[nft.Element] {
	return func(yield func(nft.Element) bool) {
		for home, owners := range h {
			shelves := c.of(home)
			for _, o := range owners {
				for e := range c.elements(shelves, o) {
					if !yield(e) {
						return
					}
				}
			}
		}
	}
}
