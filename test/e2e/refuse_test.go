package e2e

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/tb"
)

// refusal is what warren does not start with.
type refusal struct {
	name string
	// prepare sets the scene and cleans up after itself; nil needs none.
	prepare func(*testing.T, *lab.Node)
	// wrap are the words before the command line, a program that takes something away; device starts `warren wireguard`
	// and not the daemon.
	wrap   []string
	device bool
	// says is all that it says.
	says string
}

var refusals = []refusal{
	{
		name: "bridge", prepare: taken("bridge"),
		says: "interface belongs to something else: warren0 is of type bridge and not a WireGuard interface: " +
			"remove it (ip link delete warren0)",
	},
	{
		name: "veth", prepare: taken("veth"),
		says: "interface belongs to something else: warren0 is of type veth and not a WireGuard interface: remove " +
			"it (ip link delete warren0)",
	},
	{
		name: "bridge, device process", prepare: taken("bridge"), device: true,
		says: "interface belongs to something else: warren0 is of type bridge and not a WireGuard interface: " +
			"remove it (ip link delete warren0)",
	},
	{
		name:    "port taken",
		prepare: func(t *testing.T, n *lab.Node) { n.ListenPacket(t, "udp", ":51820") },
		says: "UDP port is taken: 51820: stop what uses it (ss -lunp 'sport = :51820'), or choose another with " +
			"--port on every node",
	},
	{
		name: "no CAP_NET_ADMIN", wrap: []string{"setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"},
		says: "not permitted to configure the network: CAP_NET_ADMIN is missing: run as root, or with that capability",
	},
	{
		name:    "not root",
		prepare: func(t *testing.T, n *lab.Node) { n.MustExec(t, "chmod", "0700", "/var/lib/warren") },
		wrap:    []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"},
		says:    "load private key: lstat /var/lib/warren/private.key: permission denied: run as root",
	},
	{
		name: "no nft", wrap: []string{"env", "PATH=/nowhere"},
		says: `nft is missing or too old: could not find nftables binary: exec: "nft": executable file not found ` +
			`in $PATH; install nftables 1.0.1 or later`,
	},
	{
		name: "no TUN", wrap: []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs none /dev/net && exec "$@"`,
			"sh"}, device: true,
		says: "TUN is not available (open /dev/net/tun: no such file or directory): load the kernel module " +
			"(modprobe tun) and, in a container, mount /dev/net/tun",
	},
}

// taken makes warren0 an interface of that kind.
func taken(kind string) func(*testing.T, *lab.Node) {
	return func(t *testing.T, n *lab.Node) {
		n.MustExec(t, "ip", "link", "add", "warren0", "type", kind)
		t.Cleanup(func() { n.MustExec(t, "ip", "link", "delete", "warren0") })
	}
}

// check starts it on the node, and wants it to end at once, with one sentence and exit code 1.
func (r refusal) check(t *testing.T, l *lab.Lab, n *lab.Node) {
	if r.prepare != nil {
		r.prepare(t, n)
	}
	command := append(slices.Clone(r.wrap), l.Warren(t), "daemon", "--node-name="+n.Name)
	if r.device {
		command = append(slices.Clone(r.wrap), l.Warren(t), "wireguard")
	}
	ctx, cancel := context.WithTimeout(t.Context(), tb.Bound(time.Minute))
	defer cancel()
	said, err := n.ExecContext(ctx, command[0], command[1:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v, want exit code 1", err)
	}
	lines := slices.Collect(strings.Lines(said))
	if diff := cmp.Diff("warren: "+r.says+"\n", lines[len(lines)-1]); diff != "" {
		t.Errorf("the last it said (-want +got):\n%s", diff)
	}
}

// wantUntouched fails the test where something of warren's is in the node's network.
func wantUntouched(t *testing.T, n *lab.Node) {
	t.Helper()
	for _, inquiry := range []string{
		"ip -4 route show table all proto 87", "ip -6 route show table all proto 87",
		"ip -4 rule show table 8788", "ip -6 rule show table 8788", "nft list tables",
	} {
		if lines := inquire(n, inquiry); len(lines) > 0 {
			t.Errorf("%s: %s shows %q", n.Name, inquiry, lines)
		}
	}
}
