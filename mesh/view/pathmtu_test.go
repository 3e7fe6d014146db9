package view_test

import (
	"testing"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// status has a line about the paths' MTU where one was measured, and it is well only if all of that passes.
func TestStatusTellsThePathMTU(t *testing.T) {
	for name, tt := range map[string]struct {
		mtu    int
		paths  []int
		result view.Result
		figure string
	}{
		"not measured":            {1420, []int{0, 0}, "", ""},
		"the mesh's is not known": {0, []int{1280}, "", ""},
		"all of it passes":        {1420, []int{1420, 0}, view.OK, "1420"},
		"one path is narrow":      {1420, []int{1420, 1300, 1280}, view.Warn, "1280 of 1420"},
	} {
		r := status.Report{MTU: tt.mtu}
		for _, path := range tt.paths {
			r.Peers = append(r.Peers, status.Peer{Node: "node-b", Probe: &status.Measurement{PathMTU: path}})
		}
		var found view.Check
		for _, c := range view.CheckNode(r) {
			if c.Name == "path MTU" {
				found = c
			}
		}
		if found.Result != tt.result || found.Figure != tt.figure {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
