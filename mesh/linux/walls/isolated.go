package walls

import (
	"context"

	"warren.mesh/mesh/nft"
)

// Isolated returns the elements of the sets of isolated pods: "clients4" and "clients6" for egress, "servers4" and
// "servers6" for ingress. None where there is no table.
func (w *Walls) Isolated(context.Context) (all []nft.Element, err error) {
	for _, set := range []string{"clients4", "clients6", "servers4", "servers6"} {
		members, err := w.policy.Members(set)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			all = append(all, nft.Element{Set: set, Key: m.Key})
		}
	}
	return all, nil
}
