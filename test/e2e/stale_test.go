package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"warren.mesh/test/lab"
)

// testStaleAddresses starts a daemon that finds addresses reserved for pods that are gone: the runtime was killed
// before it could detach them. It frees those that no pod under way can have, and reserves those of pods that run: the
// reservations were deleted.
func testStaleAddresses(t *testing.T, h *hosts) {
	const dir = "/run/warren/ipam/warren"
	h.one.StopDaemon(t)
	var stale, young []string
	for _, cidr := range h.one.PodCIDRs(t) {
		stale = append(stale, reserve(t, h.one, dir, cidr, 200, "11 minutes ago"))
		young = append(young, reserve(t, h.one, dir, cidr, 201, "now"))
	}
	before := strings.Fields(h.one.MustExec(t, "ls", dir))
	lost := h.web.Addrs()
	for _, addr := range lost {
		h.one.MustExec(t, "rm", dir+"/"+addr.String())
	}
	h.one.StartDaemon(t, h.daemonArgs...)
	h.one.WaitReady(t)
	want := slices.DeleteFunc(before, func(name string) bool { return slices.Contains(stale, name) })
	lab.Wait(t, patience, "stale addresses to be free again", func() error {
		if now := strings.Fields(h.one.MustExec(t, "ls", dir)); fmt.Sprint(now) != fmt.Sprint(want) {
			return fmt.Errorf("%v are reserved, want %v", now, want)
		}
		return nil
	})
	for _, address := range young {
		h.one.MustExec(t, "rm", dir+"/"+address)
	}
}

// reserve makes a reservation in host-local's directory, for a container that is gone.
func reserve(t *testing.T, n *lab.Node, dir string, cidr netip.Prefix, number byte, when string) (address string) {
	t.Helper()
	b := cidr.Addr().AsSlice()
	b[len(b)-1] = number
	addr, _ := netip.AddrFromSlice(b)
	n.MustExec(t, "sh", "-c", fmt.Sprintf(`printf 'lost%d\r\neth0' >%[2]s/%[3]v && touch -d '%s' %[2]s/%[3]v`, number,
		dir, addr, when))
	return addr.String()
}
