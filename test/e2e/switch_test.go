package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/linux"
	"warren.mesh/mesh/meshtest"
)

// A node whose WireGuard is to be another one, by its flags or because its kernel has come to have one or has lost it,
// is the same node afterwards: pods talk, nothing of the device before is left, and nothing leaves in plain text
// meanwhile.
func TestPrivilegedLongSwitch(t *testing.T) {
	meshtest.Privileged(t)
	tg := newTarget(t)
	best := linux.Kernel
	if linux.KernelWireGuard() != nil {
		best = linux.Userspace
	}
	tg.wantBackend(t, best)
	tg.restart(t, linux.Userspace)
	tg.wantBackend(t, linux.Userspace)
	tg.restart(t, linux.Auto)
	tg.wantBackend(t, best)
	tg.whole(t)
}

// restart ends both containers of the first node and starts them in a mode, as an upgrade of the DaemonSet does.
func (tg *target) restart(t *testing.T, mode linux.Mode) {
	t.Helper()
	tg.flows.WaitEstablished(t)
	tg.node.StopDaemon(t)
	tg.node.StopDevice(t)
	tg.node.StartDevice(t, "--wireguard="+string(mode))
	tg.node.StartDaemon(t, "--wireguard="+string(mode))
	tg.node.WaitReady(t)
	resume(t, tg.flows)
	var gap time.Duration
	for _, f := range tg.flows {
		gap = max(gap, f.Report().LongestGap)
	}
	t.Logf("to mode %s: the longest gap of %d flows was %v", mode, len(tg.flows), gap.Round(time.Millisecond))
}

// wantBackend looks where an operator would: interface, metrics, log.
func (tg *target) wantBackend(t *testing.T, want linux.Mode) {
	t.Helper()
	kind := map[linux.Mode]string{linux.Kernel: "wireguard", linux.Userspace: "tun"}[want]
	if link := tg.node.MustExec(t, "ip", "-d", "link", "show", "warren0"); !strings.Contains(link, kind) {
		t.Errorf("the interface is no %s:\n%s", kind, link)
	}
	var infos []string
	for series := range tg.node.Metrics(t) {
		if strings.HasPrefix(series, "warren_info{") {
			infos = append(infos, series)
		}
	}
	if len(infos) != 1 || !strings.Contains(infos[0], fmt.Sprintf("backend=%q,reason=", want)) {
		t.Errorf("metrics tell %q, want %s", infos, want)
	}
	line := fmt.Sprintf(`msg="WireGuard backend chosen" backend=%s reason=`, want)
	chosen := strings.Split(tg.node.Log(), `msg="WireGuard backend chosen"`)
	if last := `msg="WireGuard backend chosen"` + chosen[len(chosen)-1]; !strings.HasPrefix(last, line) {
		t.Errorf("the daemon has not logged %q but\n%s", line, last)
	}
}
