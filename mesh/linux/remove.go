package linux

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"sigs.k8s.io/knftables"
)

// Remove deletes everything of warren's from this host: the WireGuard interface (with it a persistent TUN), the bridge,
// rules, routes and the nftables table. It is for good, when no pod of warren's runs any more; removing twice is fine.
// Sysctls stay as they are, since others may have come to rely on them.
//
// It is no method of Host, so that it works where New refuses to start. An interface of the name that is not WireGuard's
// stays, and so does a bridge that is none.
func Remove(ctx context.Context, cfg Config) error {
	if err := privileged(); err != nil {
		return err
	}
	dumps, err := newDumps()
	if err != nil {
		return err
	}
	h := &Host{cfg: cfg, dumps: dumps, netlink: dumps.plain}
	defer h.dumps.close()
	// The guard goes last: until the routes are gone, it keeps what the pods still send from leaving in plain text.
	return errors.Join(
		h.removeAllRules(),
		h.deleteLink(cfg.Link, isDevice),
		h.deleteLink(cfg.Bridge, func(l netlink.Link) bool { return l.Type() == "bridge" }),
		h.removeAllRoutes(),
		h.removeTable(ctx),
	)
}

func (h *Host) removeAllRules() error {
	all, err := h.observeRules()
	return errors.Join(err, h.removeRules(all))
}

func (h *Host) removeAllRoutes() error {
	all, err := h.observeRoutes()
	return errors.Join(err, h.newRouting().remove(all))
}

// deleteLink deletes the interface where there is one and ours says so.
func (h *Host) deleteLink(name string, ours func(netlink.Link) bool) error {
	link, err := h.find(name)
	if err != nil || link == nil || !ours(link) {
		return err
	}
	if err := h.netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete interface %s: %w", name, err)
	}
	return nil
}

func isDevice(l netlink.Link) bool {
	_, err := modeOf(l)
	return err == nil
}

func (h *Host) removeTable(ctx context.Context) error {
	nft, err := knftables.New(firewallFamily, firewallTable)
	if err != nil {
		return fmt.Errorf("%w: %w; delete the table by hand (nft delete table inet %s)", ErrNoNFT, err, firewallTable)
	}
	return newFirewall(nft, h.counts.add).remove(ctx)
}
