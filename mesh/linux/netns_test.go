package linux

import (
	"net/netip"
	"testing"

	"warren.mesh/test/lab/namespace"
)

// netns is a network namespace that lives as long as the test.
type netns int

// newNetns makes a namespace and leaves the calling test in it. Subtests are other goroutines.
func newNetns(t *testing.T) netns {
	t.Helper()
	return netns(namespace.Enter(t).Fd())
}

func run(t *testing.T, commands string) string {
	t.Helper()
	return namespace.Run(t, commands)
}

func addrs(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}
