package linux

import (
	"net/netip"
	"testing"

	"warren.mesh/test/lab/namespace"
)

// run runs commands, one a line, in the calling thread's namespace.
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
