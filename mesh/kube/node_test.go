package kube

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh"
	"warren.mesh/mesh/kube/nodeobject"
	"warren.mesh/mesh/meshtest"
)

// proof is that of the key with this name.
func proof(name, uid string) string {
	proof, err := meshtest.Key(name).Prove(uid)
	if err != nil {
		panic(err)
	}
	return proof.String()
}

// nodeA announces everything, and carries what any Node carries.
func nodeA() *metav1.PartialObjectMetadata {
	o := object("a", "uid-a", "7",
		"node.alpha.kubernetes.io/ttl", "0",
		"warren.mesh/public-key", meshtest.Key("a").Public().String(),
		"warren.mesh/proof", proof("a", "uid-a"),
		"warren.mesh/endpoint", "192.0.2.10:51820,[2001:db8::10]:51820",
		"warren.mesh/pod-cidrs", "10.244.1.0/24,fd00:10:1::/64",
		"warren.mesh/node-ips", "192.0.2.10,2001:db8::10",
		"warren.mesh/force-endpoint", "203.0.113.1:4500",
		"warren.mesh/persistent-keepalive", "25",
		"warren.mesh/something-later", "unknown to this version",
	)
	o.CreationTimestamp = metav1.NewTime(time.Unix(1_700_000_000, 0))
	o.Labels = map[string]string{"kubernetes.io/os": "linux"}
	return o
}

func TestSummarizeNode(t *testing.T) {
	got, err := nodeobject.Summarize(nodeA())
	if err != nil {
		t.Fatal(err)
	}
	want := nodeobject.Summary{
		Name: "a", UID: "uid-a", Created: 1_700_000_000,
		Announcement: mesh.Announcement{
			PublicKey: meshtest.Key("a").Public().String(),
			Proof:     proof("a", "uid-a"),
			Endpoint:  "192.0.2.10:51820,[2001:db8::10]:51820",
			PodCIDRs:  "10.244.1.0/24,fd00:10:1::/64",
			NodeIPs:   "192.0.2.10,2001:db8::10",
		},
		Overrides: mesh.Overrides{ForceEndpoint: "203.0.113.1:4500", Keepalive: "25"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if again, err := nodeobject.Summarize(got); err != nil || again != got {
		t.Errorf("summary of a summary: %+v, %v", again, err)
	}
}

// TestParseNode shows that the summary holds all that the core reads, each value in its place.
func TestParseNode(t *testing.T) {
	s, err := nodeobject.Summarize(nodeA())
	if err != nil {
		t.Fatal(err)
	}
	got := nodeobject.Parse(s)
	want := mesh.ParseNode(
		mesh.Identity{Name: "a", UID: "uid-a", Created: time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)},
		s.Announcement, s.Overrides)
	if diff := cmp.Diff(want, got, byValue); diff != "" {
		t.Errorf("node (-want +got):\n%s", diff)
	}
	if len(got.Malformed) > 0 || got.PublicKey.IsZero() || len(got.Endpoints) != 1 || got.Keepalive != 25*time.Second {
		t.Errorf("node %+v", got)
	}
}

// TestSummaryFreesTheObject shows that no string of the summary points into a big one that the object was decoded from.
func TestSummaryFreesTheObject(t *testing.T) {
	buffer := strings.Repeat("x", 1<<10) + "key"
	o := object("a", "1", "1", "warren.mesh/public-key", buffer[1<<10:])
	s, err := nodeobject.Summarize(o)
	if err != nil {
		t.Fatal(err)
	}
	if shared(s.Announcement.PublicKey, buffer[1<<10:]) || shared(s.Name, o.Name) || shared(s.UID, string(o.UID)) {
		t.Error("the summary shares memory with the object")
	}
}
