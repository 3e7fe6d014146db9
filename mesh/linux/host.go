package linux

import (
	"context"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/wgctrl"
	"sigs.k8s.io/knftables"
)

// Host is the network of this host. Make one with New. Its methods may be called concurrently; one Observe or Apply runs
// at a time.
type Host struct {
	cfg      Config
	mode     Mode
	reason   string
	dumps    dumps
	netlink  *netlink.Handle
	device   *wgctrl.Client
	firewall *firewall
	counts   counts

	// mu is held by whoever observes or applies, so that what Watch verifies is never half of an Apply.
	mu     sync.Mutex
	shadow shadow
}

// New checks what warren needs of this host, and refuses with ErrNotPrivileged, ErrNoNFT, ErrForeignLink,
// ErrNoKernelWireGuard or ErrPortTaken, each with a remedy. It changes nothing.
func New(cfg Config) (_ *Host, err error) {
	if err := privileged(); err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if err := h.open(); err != nil {
		return nil, err
	}
	choice, err := Choose(cfg.Mode, cfg.Link)
	if err != nil {
		return nil, err
	}
	h.mode, h.reason = choice.Mode, choice.Reason
	// After Choose: its probe loads the kernel's module, and the client looks for that only once.
	if h.device, err = wgctrl.New(); err != nil {
		return nil, fmt.Errorf("open WireGuard's configuration interface: %w", err)
	}
	return h, h.portFree()
}

// open opens what talks to the kernel's routing and firewall.
func (h *Host) open() (err error) {
	if h.dumps, err = newDumps(); err != nil {
		return err
	}
	h.netlink = h.dumps.plain
	nft, err := knftables.New(firewallFamily, firewallTable)
	if err != nil {
		return fmt.Errorf("%w: %w; install nftables 1.0.1 or later", ErrNoNFT, err)
	}
	h.firewall = newFirewall(nft, h.counts.add)
	return nil
}

// Close releases the sockets and leaves the host's network as it is.
func (h *Host) Close() error {
	h.dumps.close()
	if h.device != nil {
		return h.device.Close()
	}
	return nil
}

// Backend is "kernel" or "userspace", and why.
func (h *Host) Backend() (name, reason string) { return string(h.mode), h.reason }

// Operations counts what Apply has written since New, by kind. Each peer counts, not each message.
func (h *Host) Operations() map[string]uint64 { return h.counts.all() }

// Leaks are the firewall's counters by name, in packets.
func (h *Host) Leaks(ctx context.Context) (map[string]uint64, error) { return h.firewall.leaks(ctx) }
