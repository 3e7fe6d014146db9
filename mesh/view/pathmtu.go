package view

import (
	"fmt"
	"maps"
	"slices"
)

// checkPathMTU says which ways carry less than the mesh's MTU, as the daemons' probes in the background have measured;
// none where nothing was measured, which is no finding: they may be turned off. `doctor` says what to do.
func checkPathMTU(reports map[string]NodeDocument) []Check {
	var narrow []string
	least, mtu, full := 0, 0, 0
	for _, from := range slices.Sorted(maps.Keys(reports)) {
		r := reports[from]
		for _, p := range r.Peers {
			switch {
			case r.MTU == 0 || p.Probe == nil || p.Probe.PathMTU == 0:
			case p.Probe.PathMTU >= r.MTU:
				full = max(full, r.MTU)
			default:
				narrow = append(narrow, fmt.Sprintf("%s to %s %d", from, NameOf(p), p.Probe.PathMTU))
				if least == 0 || p.Probe.PathMTU < least {
					least, mtu = p.Probe.PathMTU, r.MTU
				}
			}
		}
	}
	switch {
	case len(narrow) > 0:
		return []Check{{
			Name: "path MTU", Result: Warn, Figure: fmt.Sprintf("%d of %d", least, mtu),
			Detail: First(narrow, "; ") + "; see W12 of doctor",
		}}
	case full > 0:
		return []Check{{Name: "path MTU", Result: OK, Figure: fmt.Sprint(full)}}
	default:
		return nil
	}
}
