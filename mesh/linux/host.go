package linux

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/linux/drift"
	"warren.mesh/mesh/linux/firewalls"
	"warren.mesh/mesh/linux/handshake"
	"warren.mesh/mesh/linux/routing"
	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/linux/sysctl"
	"warren.mesh/mesh/linux/wg"
	"warren.mesh/mesh/nft"
)

// Host is the network of this host, composed of parts that each own one kind of object. Make one with New. Its methods
// may be called concurrently; one Observe or Apply runs at a time.
type Host struct {
	cfg    Config
	mode   Mode
	reason string

	conn     *rtnl.Conn
	links    links
	routes   routing.Routes
	rules    routing.Rules
	device   wg.Device
	sysctls  *sysctl.Sysctls
	firewall *nft.Table
	others   firewalls.Firewalls
	counts   counts

	// mu is held while the parts are observed, compared or changed, so that what Watch compares is never half of an
	// Apply. Lock it before the locks of expected, firewall and counts, and never while holding one of those.
	mu sync.Mutex
	// expected is what Watch compares the host with. It has a lock of its own, for notifications that come meanwhile.
	expected drift.Expected
	// readings are those of the device, for handshakes. It has a lock of its own too.
	readings handshake.Readings
}

// New checks what warren needs of this host, and refuses with ErrNotPrivileged, ErrNoNFT, ErrForeignLink,
// ErrNoKernelWireGuard or ErrPortTaken, each with a remedy. It changes nothing.
func New(cfg Config) (_ *Host, err error) {
	if err := privileged(); err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg}
	h.readings.Read = h.statuses
	defer func() {
		if err != nil {
			_ = h.Close()
		}
	}()
	if h.conn, err = rtnl.Open(); err != nil {
		return nil, err
	}
	h.firewall, err = nft.Open(guard.Table, func() { h.counts.add("nft-transaction") })
	if err != nil {
		return nil, fmt.Errorf("%w: %w; install nftables 1.0.1 or later", ErrNoNFT, err)
	}
	choice, err := Choose(cfg.Mode, cfg.Link)
	if err != nil {
		return nil, err
	}
	h.mode, h.reason = choice.Mode, choice.Reason
	// After Choose: its probe loads the kernel's module, and the client looks for that only once.
	client, err := wg.Open()
	if err != nil {
		return nil, err
	}
	h.compose(client)
	return h, h.device.CheckPort(cfg.Port)
}

// compose makes the other parts, when conn, firewall, cfg and mode are known.
func (h *Host) compose(client *wg.Client) {
	h.links = links{
		conn: h.conn, count: h.counts.add, link: h.cfg.Link, bridge: h.cfg.Bridge, mode: h.mode, port: h.cfg.Port,
	}
	h.routes = routing.Routes{
		Conn: h.conn, Count: h.counts.add, Obstacle: h.expected.AddObstacle, Replaceable: h.links.replaceable,
	}
	h.rules = routing.Rules{Conn: h.conn, Count: h.counts.add}
	h.device = wg.Device{
		Client: client, Count: h.counts.add, Name: h.cfg.Link, Key: h.cfg.Key,
		Absent: absent[h.mode], Hung: ErrHungDevice,
	}
	h.others.Link, h.others.Bridge, h.others.Port = h.cfg.Link, h.cfg.Bridge, h.cfg.Port
	h.others.Open, h.others.Count, h.others.Probes = h.cfg.OpenFirewall, h.counts.add, h.cfg.ProbePort
	h.sysctls = h.cfg.sysctls(h.conn, h.counts.add)
}

// absent is why no device answers, by the Host's Mode.
var absent = map[Mode]error{Kernel: rtnl.ErrNoLink, Userspace: ErrNoDevice}

// Close releases the sockets and leaves the host's network as it is.
func (h *Host) Close() error {
	h.conn.Close()
	if h.device.Client != nil {
		return h.device.Client.Close()
	}
	return nil
}

// Backend returns the mode of the device, "kernel" or "userspace", and why it was chosen.
func (h *Host) Backend() (name, reason string) { return string(h.mode), h.reason }

// Operations counts what Apply has written since New, by kind. Each peer counts, not each message.
func (h *Host) Operations() map[string]uint64 { return h.counts.all() }

// Leaks returns the guard's counters by name, in packets; nil where the guard's table is absent.
func (h *Host) Leaks(ctx context.Context) (map[string]uint64, error) { return h.firewall.Counters(ctx) }

// PassFirewalls has the mesh pass the host's other firewalls: where iptables drops what nobody has let in, it lets in
// what is the mesh's, if Config.OpenFirewall says so. It returns the rules that it added, and what else may drop the
// mesh's packets, each with what mends it; policy rules that stay before warren's are among that. Its cost does not
// depend on the mesh.
func (h *Host) PassFirewalls(ctx context.Context) (opened, doubts []string, err error) {
	if opened, doubts, err = h.others.Pass(ctx); err != nil {
		err = fmt.Errorf("pass the host's other firewalls: %w", err)
	}
	earlier, failed := h.rules.Earlier()
	if failed != nil {
		failed = fmt.Errorf("look for rules before warren's: %w", failed)
	}
	return opened, append(doubts, earlier...), errors.Join(err, failed)
}

// Unforwarded returns those of the containers that no rule of the plugin portmap's forwards host ports to, in IPv6 or
// in IPv4, in their order.
func (h *Host) Unforwarded(_ context.Context, containers []string, v6 bool) ([]string, error) {
	return firewalls.Unforwarded(containers, v6)
}
