package e2e

import (
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// The userspace device comes back by itself as it was, with a daemon to look after it and without: after its own
// process has crashed, and after its container has, whose next one finds the configuration on tmpfs. Nothing leaves in
// plain text meanwhile.
func TestPrivilegedDeviceCrash(t *testing.T) {
	meshtest.Privileged(t)
	tg := newTarget(t)
	for _, attended := range []bool{true, false} {
		name := "with a daemon"
		if !attended {
			name = "without a daemon"
			tg.node.KillDaemon(t)
		}
		for _, c := range crashes {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				c.inflict(t, tg.node)
				tg.whole(t)
			})
		}
	}
}

// crashes are a device's ends that it outlives.
var crashes = []fault{
	{"process", func(t *testing.T, n *lab.Node) { n.CrashDevice(t) }},
	{"container", func(t *testing.T, n *lab.Node) { n.KillDevice(t); n.StartDevice(t) }},
}
