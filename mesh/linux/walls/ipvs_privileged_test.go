package walls

import (
	"testing"

	"warren.mesh/test/lab/namespace"
)

// The interface counts by its name: this kernel may have no dummy devices, of which it is one.
func TestPrivilegedIPVSInterface(t *testing.T) {
	w := open(t)
	for _, step := range []struct {
		do   string
		want bool
	}{{"true", false}, {"ip link add kube-ipvs0 type bridge", true}, {"ip link del kube-ipvs0", false}} {
		namespace.Run(t, step.do)
		if got, err := w.IPVS(); got != step.want || err != nil {
			t.Errorf("%s: %v, %v", step.do, got, err)
		}
	}
}
