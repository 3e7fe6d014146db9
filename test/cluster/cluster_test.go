package cluster_test

import (
	"cmp"
	"regexp"
	"strings"
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
)

// One cluster of both families sees everything that CI asks of the manifests, in the order of a cluster's life.
func TestPrivilegedManifests(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel() // TestPrivilegedKept is over before anything here counts packets
	c := cluster.Start(t, cluster.Options{Family: lab.Dual})
	before := allTraces(t, c)
	setScene(t, c).accept(t)
	t.Run("runtime", func(t *testing.T) { wantRuntime(t, c, cluster.Current) })
	t.Run("upstream", func(t *testing.T) {
		// Four of pods, and one of each of the others: a name that upstream changes is not to go unnoticed.
		r := c.Conform(t, cluster.Specs{Focus: few, Skip: elsewhere, Processes: 4})
		if len(r.Passed) != 8 {
			t.Errorf("%d tests passed, want 8", len(r.Passed))
		}
	})
	t.Run("upgrade", func(t *testing.T) { upgrade(t, c) })
	t.Run("restarts", func(t *testing.T) { restartServices(t, c) })
	t.Run("uninstall", func(t *testing.T) { uninstallByManifests(t, c, before) })
	c.Kubectl(t, "", "--namespace=kube-system", "scale", "deployment/coredns", "--replicas=2")
	c.Install(t)
	t.Run("node", func(t *testing.T) { recreateNode(t, c) })
	t.Run("reboots", func(t *testing.T) { reboots(t, c, 2) })
	t.Run("rights", func(t *testing.T) { wantRightsUsed(t, c) })
}

// Upstream's tests of a network, by their names. Few are those that one run of CI has the time for. Conformance are
// those that every network must pass; beyond are others that say something about it. Of those that listen on all nodes'
// addresses, each wants the same ports. Elsewhere are tests for clouds and for kernels with SCTP.
const (
	few = `Granular Checks: Pods|DNS should provide DNS for the cluster|should proxy through a service and a pod|` +
		`should serve multiport endpoints from pods|HostPort validates that there is no conflict`
	conformance = `\[sig-network\].*\[Conformance\]`
	beyond      = `Granular Checks: Services`
	listening   = `service endpoints using hostNetwork`
	elsewhere   = `\[Provider:|\[Feature:SCTPConnectivity\]`
	dual        = `\[Feature:IPv6DualStack\]`
)

// conformanceCount is how many tests upstream's release has that conformance selects.
const conformanceCount = 47

func wantConformance(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	r := c.Conform(t, cluster.Specs{Focus: conformance, Processes: 4})
	if len(r.Passed) != conformanceCount {
		t.Errorf("%d tests passed, want %d: %v", len(r.Passed), conformanceCount, r)
	}
}

// literally returns a regular expression that matches these texts and no others.
func literally(texts ...string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = regexp.QuoteMeta(text)
	}
	return strings.Join(quoted, "|")
}

// What Kubernetes wants of a network does not depend on policies.
func TestPrivilegedLongWithoutPolicies(t *testing.T) {
	meshtest.Privileged(t)
	c := cluster.Start(t, cluster.Options{})
	c.Install(t, "WARREN_NETWORK_POLICY=off")
	wantConformance(t, c)
}

// Every kind of cluster, with all of upstream's tests that say something about its network.
func TestPrivilegedLongManifests(t *testing.T) {
	meshtest.Privileged(t)
	for name, o := range map[string]cluster.Options{
		"ipv4":          {},
		"ipv6":          {Family: lab.IPv6},
		"dual-nftables": {Family: lab.Dual, Runtime: cluster.Debian},
		"dual-iptables": {Nodes: 3, Family: lab.Dual, Proxy: cluster.IPTables},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster.Start(t, o)
			setScene(t, c).accept(t)
			t.Run("runtime", func(t *testing.T) { wantRuntime(t, c, cmp.Or(o.Runtime, cluster.Current)) })
			t.Run("conformance", func(t *testing.T) {
				wantConformance(t, c)
			})
			t.Run("upstream", func(t *testing.T) {
				skip := elsewhere
				if o.Family != lab.Dual {
					skip += "|" + dual
				}
				c.Conform(t, cluster.Specs{Focus: beyond, Skip: skip + "|" + listening, Processes: 4})
				c.Conform(t, cluster.Specs{Focus: listening, Skip: skip})
			})
		})
	}
}
