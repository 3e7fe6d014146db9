package doctor

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// What one node or the API server knows of hides nothing that another found: a warning stays beside what is unknown,
// with its remedy.
func TestUnknownHidesNoWarning(t *testing.T) {
	drops := view.Check{Result: view.Warn, Detail: "ufw drops UDP port 51820"}
	unread := view.Check{Result: view.Unknown, Detail: "nft could not be read"}
	broken := view.Check{Result: view.Fail, Detail: "it drops"}
	remedy := func(id ID) string { e, _ := Find(id); return e.Remedy }
	for name, tt := range map[string]struct {
		id     ID
		nodes  map[string]view.Check
		unread status.Part
		silent string
		want   found
	}{
		"of two nodes": {id: HostFirewall, nodes: map[string]view.Check{"a": drops, "b": unread}, want: found{
			view.Unknown, "2 asked", "a: ufw drops UDP port 51820; b: nft could not be read", remedy(HostFirewall),
		}},
		"in the other order": {id: HostFirewall, nodes: map[string]view.Check{"a": unread, "b": drops}, want: found{
			view.Unknown, "2 asked", "b: ufw drops UDP port 51820; a: nft could not be read", remedy(HostFirewall),
		}},
		"and a silent one": {id: HostFirewall, nodes: map[string]view.Check{"a": drops, "b": unread}, silent: "c",
			want: found{
				view.Unknown, "2 asked",
				"a: ufw drops UDP port 51820; b: nft could not be read; no answer from c", remedy(HostFirewall),
			}},
		"a fault": {id: HostFirewall, nodes: map[string]view.Check{"a": broken, "b": unread}, want: found{
			view.Fail, "2 asked", "a: it drops", remedy(HostFirewall),
		}},
		"of the API server": {id: AdmissionPolicies, nodes: map[string]view.Check{"a": drops},
			unread: status.PartAdmission, want: found{
				view.Unknown, "1 asked", "a: ufw drops UDP port 51820; no right", remedy(AdmissionPolicies),
			}},
		"what is well": {id: Sessions, nodes: map[string]view.Check{
			"a": {Result: view.OK, Detail: "1 idle"}, "b": {Result: view.OK},
		}, want: found{view.OK, "2 asked", "a: 1 idle", ""}},
		"nothing found": {id: HostFirewall, nodes: map[string]view.Check{"a": {Result: view.OK}, "b": unread},
			want: found{view.Unknown, "2 asked", "b: nft could not be read", ""}},
	} {
		d := view.ClusterDocument{Reports: map[string]view.NodeDocument{}, Silent: map[string]string{}}
		for node, check := range tt.nodes {
			check.ID = string(tt.id)
			d.Reports[node] = view.NodeDocument{Checks: []view.Check{check}}
		}
		if tt.unread != "" {
			d.Unread = []status.Unread{{Part: tt.unread, Reason: "no right"}}
		}
		if tt.silent != "" {
			d.Silent[tt.silent] = "no answer"
		}
		checks := CheckCluster(d)
		c := checks[slices.IndexFunc(checks, func(c view.Check) bool { return c.ID == string(tt.id) })]
		got := found{c.Result, c.Figure, c.Detail, c.Remedy}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(found{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
