package nodeobject

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

// TestAnnotationsRoundTrip shows that what a daemon writes is what others read of it.
func TestAnnotationsRoundTrip(t *testing.T) {
	for _, want := range []mesh.Announcement{
		{},
		{PublicKey: "k", Proof: "s", Endpoint: "e", PodCIDRs: "p", NodeIPs: "n"},
		{Endpoint: "e"},
	} {
		written := Annotations(want)
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
