package doctor

import (
	"slices"
	"testing"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

func TestKubernetesVersion(t *testing.T) {
	for version, want := range map[string]view.Result{
		"v1.32.9": view.Fail, "v1.33.0": view.OK, "v1.37.2+k3s1": view.OK, "v2.0.0": view.OK, "odd": view.Unknown,
	} {
		d := view.ClusterDocument{Cluster: status.Cluster{Kubernetes: version}}
		checks := CheckCluster(d)
		i := slices.IndexFunc(checks, func(c view.Check) bool { return c.ID == string(KubernetesVersion) })
		if got := checks[i].Result; got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}
