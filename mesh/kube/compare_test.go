package kube

import (
	"net/netip"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// byValue lets go-cmp compare what it cannot look into.
var byValue = cmp.Options{
	cmp.Comparer(func(x, y netip.Addr) bool { return x == y }),
	cmp.Comparer(func(x, y netip.Prefix) bool { return x == y }),
	cmp.Comparer(func(x, y netip.AddrPort) bool { return x == y }),
}

// shared reports whether two strings have the same bytes in memory.
func shared(x, y string) bool { return x != "" && unsafe.StringData(x) == unsafe.StringData(y) }
