package e2e

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// testHostPort checks web's attachment by CNI's CHECK and deletes web: then nothing answers at its host port, and no
// rule is left that leads there.
func testHostPort(t *testing.T, h *hosts) {
	if err := h.web.TryCheck(); err != nil {
		t.Errorf("before anything is deleted: %v", err)
	}
	h.families(t, func(t *testing.T, like netip.Addr) {
		if _, err := h.three.Get(netip.AddrPortFrom(h.one.Addr(like), hostPort)); err != nil {
			t.Errorf("before the pod is deleted: %v", err)
		}
	})
	h.web.Delete(t)
	h.families(t, func(t *testing.T, like netip.Addr) {
		if seen, err := h.three.Get(netip.AddrPortFrom(h.one.Addr(like), hostPort)); err == nil {
			t.Errorf("the host port of a deleted pod answers: it saw %v", seen)
		}
	})
	if rules := h.one.MustExec(t, "nft", "--stateless", "list", "ruleset"); strings.Contains(rules,
		"dport "+strconv.Itoa(hostPort)) {
		t.Errorf("of the host port there is still:\n%s", rules)
	}
}

// flushHostPorts removes portmap's rules, whichever backend it has chosen, as a firewall does that is restored.
const flushHostPorts = `
	for family in ip ip6; do nft delete table $family cni_hostport 2>/dev/null || :; done
	for command in iptables ip6tables; do $command -t nat -F CNI-HOSTPORT-DNAT 2>/dev/null || :; done`

// testHostPortsFlushed removes the rules of a host port, which nobody puts back: the daemon says so, until the pod is
// gone.
func testHostPortsFlushed(t *testing.T, h *hosts) {
	pod := h.one.AddPod(t, "flushed", lab.HostPort{Host: hostPort + 1, Container: traffic.EchoPort})
	h.one.MustExec(t, "sh", "-ec", flushHostPorts)
	warned := func() error {
		return want("warnings", int(h.one.Metrics(t)[`warren_warning{step="host ports"}`]), 1)
	}
	lab.Wait(t, 4*patience, "the daemon to say that host ports lost their rules", warned)
	if err := h.one.Ready(); err != nil {
		t.Errorf("a warning makes the node unready: %v", err)
	}
	pod.Delete(t)
	lab.Wait(t, 4*patience, "the warning to end", func() error {
		if warned() == nil {
			return errors.New("there is still a warning")
		}
		return nil
	})
}
