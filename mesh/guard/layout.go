package guard

import (
	"warren.mesh/mesh"
	"warren.mesh/mesh/nft"
)

// Table identifies the guard: "nft list table inet warren" shows it.
var Table = nft.ID{Family: "inet", Name: "warren"}

// Layout returns the table for fw. Both address families are always there: with no elements in its sets a rule does
// nothing, and a family that is turned on later finds its guard in place.
func Layout(fw mesh.Firewall) nft.Layout {
	return nft.Layout{
		ID:       Table,
		Comment:  "guards pods' traffic; made by the warren daemon, which undoes edits",
		Origin:   originOf(fw).String(),
		Counters: counters(),
		Sets:     setsOf(fw),
		Chains:   chainsOf(fw),
		Elements: elementsOf(fw),
	}
}
