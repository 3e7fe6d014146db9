package cluster_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/cluster"
)

const account = "system:serviceaccount:kube-system:warren"

// wantRightsUsed compares what the API server was asked in warren's name with what the role allows: all of it was
// needed, and nothing was asked beyond. Whether clients list before they watch is client-go's business, and depends on
// the server.
func wantRightsUsed(t *testing.T, c *cluster.Cluster) {
	used := map[string]bool{}
	for _, r := range c.Audit(t) {
		if r.User != account {
			continue
		}
		resource := strings.TrimSuffix(r.Resource+"/"+r.Subresource, "/")
		// What daemons have refused at their start is how they find the policies.
		if r.Code == 401 || r.Code == 403 && !r.DryRun {
			t.Errorf("denied: %+v", r)
		}
		if r.Verb != "list" && resource != "" {
			used[r.Verb+" "+resource] = true
		}
	}
	if diff := cmp.Diff(granted(t, c), slices.Sorted(maps.Keys(used))); diff != "" {
		t.Errorf("rights of the role, and those used (-granted +used):\n%s", diff)
	}
}

// granted is every verb and resource of the role, without list.
func granted(t *testing.T, c *cluster.Cluster) []string {
	t.Helper()
	var role struct {
		Rules []struct{ Verbs, Resources []string }
	}
	if err := json.Unmarshal([]byte(c.Kubectl(t, "", "get", "clusterrole", "warren", "--output=json")),
		&role); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				if verb != "list" {
					all = append(all, verb+" "+resource)
				}
			}
		}
	}
	slices.Sort(all)
	return all
}
