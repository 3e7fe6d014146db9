package e2e

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// testHostPort checks web's attachment by CNI's CHECK and deletes web: then nothing answers at its host port, and no
// rule is left that leads there.
func testHostPort(t *testing.T, h *hosts) {
	if err := h.web.TryCheck(); err != nil {
		t.Errorf("before anything is deleted: %v", err)
	}
	h.families(t, func(t *testing.T, like netip.Addr) {
		if _, err := h.three.Get(netip.AddrPortFrom(h.one.Addr(like), hostPort)); err != nil {
			t.Errorf("before the pod is deleted: %v", err)
		}
	})
	h.web.Delete(t)
	h.families(t, func(t *testing.T, like netip.Addr) {
		if seen, err := h.three.Get(netip.AddrPortFrom(h.one.Addr(like), hostPort)); err == nil {
			t.Errorf("the host port of a deleted pod answers: it saw %v", seen)
		}
	})
	if rules := h.one.MustExec(t, "nft", "--stateless", "list", "ruleset"); strings.Contains(rules,
		"dport "+strconv.Itoa(hostPort)) {
		t.Errorf("of the host port there is still:\n%s", rules)
	}
}
