package guard

import (
	"fmt"
	"testing"

	"warren.mesh/test/lab/namespace"
)

// place is a network namespace of the topology.
type place struct{ *namespace.Net }

// newPlace makes a namespace and leaves the calling goroutine in it.
func newPlace(t *testing.T) place {
	t.Helper()
	return place{namespace.Enter(t)}
}

// enter moves the calling goroutine into the namespace, and onto one CPU, so that packets that are sent one after the
// other arrive in that order.
func (n place) enter(t *testing.T) {
	t.Helper()
	namespace.OneCPU(t)
	if err := n.Enter(); err != nil {
		t.Fatal(err)
	}
}

// run runs commands, formatted with args, in the namespace, where the goroutine stays.
func (n place) run(t *testing.T, commands string, args ...any) string {
	t.Helper()
	n.enter(t)
	return namespace.Run(t, fmt.Sprintf(commands, args...))
}
