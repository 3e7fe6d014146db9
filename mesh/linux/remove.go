package linux

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/linux/firewalls"
	"warren.mesh/mesh/linux/routing"
	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/nft"
)

// Remove deletes everything of warren's from this host: the WireGuard interface (with it a persistent TUN), the bridge,
// rules, routes, the nftables table, and the rules in iptables' chains. It is for good, when no pod of warren's runs
// any more; removing twice is fine. Sysctls stay as they are, since others may have come to rely on them, but for those
// that make a difference to how the host itself takes router advertisements.
//
// It is no method of Host, so that it works where New refuses to start. An interface of the name that is not
// WireGuard's stays, and so does a bridge that is none.
func Remove(ctx context.Context, cfg Config) error {
	if err := privileged(); err != nil {
		return err
	}
	conn, err := rtnl.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	// The firewall's table goes last: until the routes are gone, it keeps what the pods still send from leaving in
	// plain text.
	return errors.Join(
		removeRules(conn),
		removeLink(conn, cfg.Link, isDevice),
		removeLink(conn, cfg.Bridge, isBridge),
		removeRoutes(conn),
		firewalls.Remove(),
		removeTable(ctx),
		restoreSysctls(conn, cfg),
	)
}

func removeRules(conn *rtnl.Conn) error {
	rules := routing.Rules{Conn: conn, Count: uncounted}
	all, err := rules.Observe()
	return errors.Join(err, rules.Remove(all))
}

// removeLink deletes the interface of that name, if there is one and ours accepts it.
func removeLink(conn *rtnl.Conn, name string, ours func(netlink.Link) bool) error {
	link, err := conn.Find(name)
	if err != nil || link == nil || !ours(link) {
		return err
	}
	if err := conn.Handle.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete interface %s: %w", name, err)
	}
	return nil
}

func removeRoutes(conn *rtnl.Conn) error {
	routes := routing.Routes{Conn: conn, Count: uncounted, Replaceable: func(netlink.Link) bool { return false }}
	all, err := routes.Observe()
	return errors.Join(err, routes.Batch().Remove(all))
}

func removeTable(ctx context.Context) error {
	table, err := nft.Open(guard.Table, func() {})
	if err != nil {
		return fmt.Errorf("%w: %w; delete the table by hand (nft delete table %v)", ErrNoNFT, err, guard.Table)
	}
	return table.Delete(ctx)
}

func restoreSysctls(conn *rtnl.Conn, cfg Config) error {
	err := cfg.sysctls(conn, uncounted).Restore()
	_ = os.Remove(cfg.RunDir) // It fails if the directory holds something else, which stays.
	return err
}

// uncounted is for writes that nobody asks the number of.
func uncounted(string) {}

func isDevice(l netlink.Link) bool {
	_, err := modeOf(l)
	return err == nil
}

func isBridge(l netlink.Link) bool { return l.Type() == "bridge" }
