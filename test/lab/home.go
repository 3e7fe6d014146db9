package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"

	"github.com/vishvananda/netlink"
)

// homeName is the bridge behind the masquerading router, in the control machine, which is that router.
const homeName = "home"

// homeRules are the router's, as homes have them: one port of the router's for each flow, drawn at random, and nothing
// comes in that was not asked for. The control machine itself, with the API server, is reached without.
var homeRules = fmt.Sprintf(`add table inet home
add chain inet home out { type nat hook postrouting priority srcnat; }
add rule inet home out ip saddr %[1]v oifname != %[3]q masquerade fully-random
add rule inet home out ip6 saddr %[2]v oifname != %[3]q masquerade fully-random
add chain inet home in { type filter hook forward priority filter; }
add rule inet home in iifname != %[3]q oifname %[3]q ct state new drop
`, homeCIDRs[0], homeCIDRs[1], homeName)

// makeHome makes the network behind the masquerading router, unless it is there.
func (l *Lab) makeHome() error {
	return l.control.Set.Do(func() error {
		if _, err := netlink.LinkByName(homeName); !errors.As(err, &netlink.LinkNotFoundError{}) {
			return err
		}
		if err := l.makeBridge(homeName, pick(l.options.Family, homeRouterIPs)); err != nil {
			return err
		}
		if out, err := exec.Command("nft", homeRules).CombinedOutput(); err != nil {
			return fmt.Errorf("make the masquerading router: %w: %s", err, out)
		}
		return nil
	})
}

// ForgetAfter sets for how many seconds the router of nodes at home keeps the mapping of a UDP flow in which nothing
// passes (nf_conntrack_udp_timeout and nf_conntrack_udp_timeout_stream of
// Documentation/networking/nf_conntrack-sysctl.rst).
func (l *Lab) ForgetAfter(t TB, seconds int) {
	t.Helper()
	for _, name := range []string{"nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"} {
		l.Control.MustExec(t, "sysctl", "-q", "-w", fmt.Sprintf("net.netfilter.%s=%d", name, seconds))
	}
}

// RebootRouter has the router of nodes at home forget all mappings. What is sent next gets another port.
func (l *Lab) RebootRouter(t TB) {
	t.Helper()
	l.Control.MustExec(t, "conntrack", "-F")
}

// RouterIP is the address, of like's family, by which the underlay knows all nodes at home.
func (l *Lab) RouterIP(like netip.Addr) netip.Addr {
	if like.Is6() {
		return controlIPs[1]
	}
	return controlIPs[0]
}
