package nft

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Member is an element of a dynamic set.
type Member struct {
	Key []string
	// Packets is what its counter says; zero where it has none.
	Packets uint64
}

// Members returns the elements of a set in the calling thread's network namespace, sorted by their keys; none where
// there is no such set.
func (t *Table) Members(set string) ([]Member, error) {
	k, err := openListing(t.ID)
	if err != nil {
		return nil, err
	}
	defer k.close()
	if err := k.each(unix.NFT_MSG_GETSET, k.addSet); err != nil {
		return nil, fmt.Errorf("list sets of nftables table %v: %w", t.ID, err)
	}
	for _, s := range k.sets {
		if s.name == set {
			elements, err := k.elements(set)
			if err != nil {
				return nil, fmt.Errorf("list set %s of nftables table %v: %w", set, t.ID, err)
			}
			return s.members(elements), nil
		}
	}
	return nil, nil
}

func (s kernelSet) members(elements []kernelElement) []Member {
	var all []Member
	for _, e := range sorted(elements) {
		all = append(all, Member{Key: keyText(s.shape.key, e.key), Packets: e.packets})
	}
	return all
}
