package routing

import (
	"net/netip"

	"warren.mesh/mesh"
)

// key is what only one route can have: another one with the same replaces it or fails, in IPv4 and in IPv6.
type key struct {
	table       uint32
	destination netip.Prefix
	metric      uint32
}

func keyOf(r mesh.Route) key { return key{r.Table, r.Destination, r.Metric} }

func byKey(routes []mesh.Route) map[key]mesh.Route {
	all := make(map[key]mesh.Route, len(routes))
	for _, r := range routes {
		all[keyOf(r)] = r
	}
	return all
}
