package kube

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh"
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
	got, err := summarizeNode(nodeA())
	if err != nil {
		t.Fatal(err)
	}
	want := nodeSummary{
		name: "a", uid: "uid-a", created: 1_700_000_000,
		announcement: mesh.Announcement{
			PublicKey: meshtest.Key("a").Public().String(),
			Proof:     proof("a", "uid-a"),
			Endpoint:  "192.0.2.10:51820,[2001:db8::10]:51820",
			PodCIDRs:  "10.244.1.0/24,fd00:10:1::/64",
			NodeIPs:   "192.0.2.10,2001:db8::10",
		},
		overrides: mesh.Overrides{ForceEndpoint: "203.0.113.1:4500", Keepalive: "25"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(nodeSummary{})); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if again, err := summarizeNode(got); err != nil || again != got {
		t.Errorf("summary of a summary: %+v, %v", again, err)
	}
}

// TestParseNode shows that the summary holds all that the core reads, each value in its place.
func TestParseNode(t *testing.T) {
	s, err := summarizeNode(nodeA())
	if err != nil {
		t.Fatal(err)
	}
	got := parseNode(s)
	want := mesh.ParseNode(
		mesh.Identity{Name: "a", UID: "uid-a", Created: time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)},
		s.announcement, s.overrides)
	if diff := cmp.Diff(want, got, byValue); diff != "" {
		t.Errorf("node (-want +got):\n%s", diff)
	}
	if len(got.Malformed) > 0 || got.PublicKey.IsZero() || len(got.Endpoints) != 1 || got.Keepalive != 25*time.Second {
		t.Errorf("node %+v", got)
	}
}

// TestAnnotationsRoundTrip shows that what a daemon writes is what others read of it.
func TestAnnotationsRoundTrip(t *testing.T) {
	for _, want := range []mesh.Announcement{
		{},
		{PublicKey: "k", Proof: "s", Endpoint: "e", PodCIDRs: "p", NodeIPs: "n"},
		{Endpoint: "e"},
	} {
		written := annotations(want)
		if len(written) != 5 {
			t.Errorf("%d annotations of %+v, want always five", len(written), want)
		}
		got, overrides := readAnnotations(written)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("announcement (-want +got):\n%s", diff)
		}
		if overrides != (mesh.Overrides{}) {
			t.Errorf("a daemon wrote an administrator's annotations: %+v", overrides)
		}
	}
}

// TestAnnotationNames pins the stable API.
func TestAnnotationNames(t *testing.T) {
	for field, want := range map[mesh.Field]string{
		mesh.FieldPublicKey:     "warren.mesh/public-key",
		mesh.FieldProof:         "warren.mesh/proof",
		mesh.FieldEndpoint:      "warren.mesh/endpoint",
		mesh.FieldPodCIDRs:      "warren.mesh/pod-cidrs",
		mesh.FieldNodeIPs:       "warren.mesh/node-ips",
		mesh.FieldForceEndpoint: "warren.mesh/force-endpoint",
		mesh.FieldKeepalive:     "warren.mesh/persistent-keepalive",
	} {
		if got := Annotation(field); got != want {
			t.Errorf("annotation %s, want %s", got, want)
		}
	}
}

// TestSummaryFreesTheObject shows that no string of the summary points into a big one that the object was decoded from.
func TestSummaryFreesTheObject(t *testing.T) {
	buffer := strings.Repeat("x", 1<<10) + "key"
	o := object("a", "1", "1", "warren.mesh/public-key", buffer[1<<10:])
	s, err := summarizeNode(o)
	if err != nil {
		t.Fatal(err)
	}
	if shared(s.announcement.PublicKey, buffer[1<<10:]) || shared(s.name, o.Name) || shared(s.uid, string(o.UID)) {
		t.Error("the summary shares memory with the object")
	}
}
