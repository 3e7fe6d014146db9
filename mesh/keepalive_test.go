package mesh_test

import (
	"testing"
	"time"

	"warren.mesh/mesh"
)

// A mapping of a NAT is kept open from inside, so the node with the annotation sends keepalives to each peer, too.
func TestKeepalive(t *testing.T) {
	for name, tt := range map[string]struct{ own, peer, want time.Duration }{
		"none":                 {0, 0, 0},
		"the peer's":           {0, 25 * time.Second, 25 * time.Second},
		"the own":              {25 * time.Second, 0, 25 * time.Second},
		"both, the own sooner": {10 * time.Second, 25 * time.Second, 10 * time.Second},
		"both, the own later":  {25 * time.Second, 10 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := numbers(3)
			nodes[0].Keepalive, nodes[1].Keepalive = tt.own, tt.peer
			state, problems, err := mesh.Desired(config("10.0.0.0/8", "fd00:10:244::/48"), selfOf(nodes[0]), nodes)
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			want := map[string]time.Duration{"n2": tt.want, "n3": tt.own}
			for _, p := range state.Peers {
				if p.Keepalive != want[p.Node] {
					t.Errorf("to %s: %v, want %v", p.Node, p.Keepalive, want[p.Node])
				}
			}
		})
	}
}
