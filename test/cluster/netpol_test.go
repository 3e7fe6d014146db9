package cluster_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
)

// Upstream's tests of NetworkPolicy. Those of netpolSCTP send SCTP, which needs a kernel that has it, and the nodes'
// kernel is this machine's; test/vm sends SCTP where the guest has it. Two others are about SCTP in policies and need
// none.
const (
	netpol      = `[sig-network] Netpol `
	netpolCount = 51
	netpolSCTP  = `[sig-network] Netpol [Feature:SCTPConnectivity] [LinuxOnly] NetworkPolicy between server and ` +
		`client using SCTP `
)

var unsent = []string{
	netpolSCTP + `should enforce policy based on Ports [Feature:NetworkPolicy]`,
	netpolSCTP + `should enforce policy to allow traffic only from a pod in a different namespace based on ` +
		`PodSelector and NamespaceSelector [Feature:NetworkPolicy]`,
	netpolSCTP + `should support a 'default-deny-ingress' policy [Feature:NetworkPolicy]`,
}

// All of upstream's tests of NetworkPolicy pass, but those that this machine's kernel cannot run.
func TestPrivilegedLongNetpol(t *testing.T) {
	meshtest.Privileged(t)
	for name, o := range map[string]cluster.Options{
		"ipv4-nftables": {},
		"dual-iptables": {Nodes: 3, Family: lab.Dual, Proxy: cluster.IPTables},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster.Start(t, o)
			c.Install(t)
			r := c.Conform(t, cluster.Specs{Focus: literally(netpol), Skip: literally(unsent...), Processes: 3})
			// The names are upstream's own, so a test that is renamed or new does not go unnoticed.
			left := slices.DeleteFunc(r.Unselected, func(name string) bool { return !strings.HasPrefix(name, netpol) })
			if diff := cmp.Diff(unsent, left); diff != "" {
				t.Errorf("tests that were not run (-want +got):\n%s", diff)
			}
			if want := netpolCount - len(unsent); len(r.Passed) != want {
				t.Errorf("%d tests passed, want %d: %v", len(r.Passed), want, r)
			}
		})
	}
}
