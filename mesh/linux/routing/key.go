package routing

import "warren.mesh/mesh"

func byKey(routes []mesh.Route) map[mesh.RouteKey]mesh.Route {
	all := make(map[mesh.RouteKey]mesh.Route, len(routes))
	for _, r := range routes {
		all[r.Key()] = r
	}
	return all
}
