package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// The userspace device comes back by itself as it was, with a daemon to look after it and without: after its own
// process has crashed or hangs, and after its container has crashed, whose next one finds the configuration on tmpfs.
// Nothing leaves in plain text meanwhile. Where nobody replaces a process that hangs, the daemon says it.
func TestPrivilegedDeviceCrash(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	tg := newTarget(t)
	t.Run("hung with its supervisor", func(t *testing.T) { tg.hungTogether(t) })
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
	{name: "process", inflict: func(t *testing.T, n *lab.Node) { n.CrashDevice(t) }},
	{name: "hung process", inflict: func(t *testing.T, n *lab.Node) { n.HangDevice(t) }},
	{name: "container", inflict: func(t *testing.T, n *lab.Node) { n.KillDevice(t); n.StartDevice(t) }},
}

// hungTogether stops the device process together with its supervisor. The daemon says so and serves what it serves,
// until the supervisor returns.
func (tg *target) hungTogether(t *testing.T) {
	tg.node.HangSupervisor(t, func() {
		tg.node.HangDevice(t)
		lab.Wait(t, time.Minute, "the daemon to say that the device hangs", func() error {
			err := tg.node.Ready()
			if err == nil || !strings.Contains(err.Error(), "hangs") {
				return fmt.Errorf("ready: %w", err)
			}
			return nil
		})
		if err := tg.node.Healthy(); err != nil {
			t.Error(err)
		}
		tg.node.Metrics(t)
	})
	tg.whole(t)
	tg.node.WaitReady(t)
}
