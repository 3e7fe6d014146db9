package warren

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "warren.mesh/"

// inside lists the packages of this module that a package may import, and why no others. What a package reaches through
// another has a line of its own.
var inside = []struct{ From, To, Reason string }{
	{"internal/atomicfile", "", "keys rest on it"},
	{"internal/hostdir", "", "a directory of the host is lost whatever is in it"},
	{"internal/excerpt", "", "a text is cut whatever it says"},
	{"keys", "internal/atomicfile", "what holds secrets is small enough to read"},
	{"mesh", "keys", "the core knows neither where its values come from nor what becomes of them"},
	{"mesh/nft", "internal/excerpt", "a table is a value, whatever its rules are for"},
	{"mesh/nft/nfttest", "mesh/nft", "virtual packets follow any table's rules"},
	{"mesh/guard", "mesh mesh/nft", "mesh.Firewall → nft.Layout and back"},
	{"mesh/policy", "mesh/nft", "pods, namespaces and policies → nft.Layout, whoever watches them"},
	{"mesh/ports", "mesh/nft", "ports → nft.Layout, whoever attaches them"},
	{"mesh/kube", "keys mesh mesh/events mesh/policy mesh/kube/nodeobject mesh/kube/policies internal/atomicfile",
		"a cluster knows no host"},
	{"mesh/kube/nodeobject", "mesh", "kubectl's plugin reads Nodes where nftables cannot be built"},
	{"mesh/kube/policies", "mesh/policy", "objects → the terms of policies, whoever makes the requests"},
	{"mesh/loop", "", "when to work is the same for a mesh, a firewall and a probe"},
	{"mesh/linux", "keys mesh mesh/guard mesh/nft " +
		"mesh/linux/drift mesh/linux/firewalls mesh/linux/handshake mesh/linux/routing mesh/linux/rtnl " +
		"mesh/linux/sysctl mesh/linux/wg internal/atomicfile",
		"a host knows no cluster"},
	{"mesh/linux/rtnl", "keys mesh", "reads the kernel's tables in the terms of the core"},
	{"mesh/linux/routing", "keys mesh mesh/linux/rtnl", "routes and rules are the same with every device"},
	{"mesh/linux/lookup", "mesh mesh/guard mesh/nft mesh/linux/routing mesh/linux/rtnl",
		"the kernel is asked whatever the answers are for"},
	{"mesh/linux/sysctl", "keys mesh mesh/linux/rtnl internal/atomicfile", "parameters are files"},
	{"mesh/linux/drift", "keys mesh mesh/linux/rtnl", "functions read the host"},
	{"mesh/linux/firewalls", "mesh/nft", "other firewalls are in the way of any mesh"},
	{"mesh/linux/walls", "keys mesh mesh/nft mesh/ports mesh/linux/rtnl",
		"tables are written whoever says what is in them"},
	{"mesh/linux/handshake", "mesh mesh/loop", "a datagram begins a handshake on every device"},
	{"mesh/linux/echo", "", "a socket is the same whatever is said through it"},
	{"mesh/probe", "mesh mesh/loop mesh/status", "who is answered, and what follows from answers, needs no socket"},
	{"mesh/linux/wg", "keys mesh mesh/linux/rtnl", "a device is configured alike wherever its interface comes from"},
	{"mesh/status", "keys mesh internal/excerpt", "what is told of a mesh does not depend on who tells it"},
	{"mesh/enforce", "mesh mesh/loop mesh/status mesh/nft mesh/policy mesh/ports cni/gate",
		"the pass consumes interfaces; cmd/warren says whose"},
	{"mesh/plan", "keys mesh", "the core says what a mesh would be, whoever reads the Nodes"},
	{"mesh/view", "mesh mesh/plan mesh/status", "what is said of a node or a cluster does not depend on who read it"},
	{"mesh/doctor", "mesh mesh/status mesh/view", "what a check means does not depend on who made it"},
	{"mesh/bundle", "", "an archive holds whatever is put into it"},
	{"mesh/graph", "mesh mesh/status mesh/view", "a drawing does not depend on who read the cluster"},
	{"mesh/explain", "mesh mesh/doctor mesh/status mesh/view", "a packet's way is told from answers alone"},
	{"mesh/events", "mesh/status", "what is worth an Event does not depend on who tells it"},
	{"mesh/agent", "keys mesh mesh/loop mesh/status mesh/events",
		"the passes consume interfaces; cmd/warren says whose"},
	{"mesh/meshtest", "keys mesh", "fakes model the interfaces, not their implementations"},
	{"mesh/userspace", "mesh/loop mesh/userspace/iface mesh/userspace/limit mesh/userspace/udp internal/atomicfile " +
		"internal/hostdir",
		"the device process knows no mesh"},
	{"mesh/userspace/iface", "", "an interface is the same whatever drives it"},
	{"mesh/userspace/limit", "", "it counts packets between two interfaces of wireguard-go"},
	{"mesh/userspace/udp", "", "it goes when upstream is mended"},
	{"cni", "internal/atomicfile internal/hostdir cni/gate", "attaching pods to a bridge needs no mesh"},
	{"cni/gate", "internal/atomicfile internal/excerpt internal/hostdir", "it is in the plugin too, which is small"},
	{"cmd/warren-cni", "cni/gate", "the runtime executes it for every pod"},
	{"mesh/survey", "mesh mesh/kube/nodeobject mesh/status", "a cluster is read by anybody, whatever follows from it"},
	{"cmd/kubectl-warren", "mesh mesh/bundle mesh/doctor mesh/explain mesh/graph mesh/kube/nodeobject " +
		"mesh/loop mesh/plan mesh/status mesh/survey mesh/view",
		"it runs where no node is"},
	{"cmd/warren", "keys mesh mesh/kube mesh/linux mesh/linux/echo mesh/linux/firewalls mesh/linux/lookup " +
		"mesh/linux/walls mesh/agent mesh/enforce mesh/policy mesh/probe mesh/loop mesh/status mesh/userspace " +
		"mesh/bundle mesh/doctor mesh/explain mesh/view cni cni/gate internal/atomicfile internal/hostdir",
		"no fakes, no lab"},
}

// arrow forbids a package (not its tests) to depend on modules or packages below To, through however many others.
type arrow struct{ From, To, Reason string }

var outside = []arrow{
	{"internal/atomicfile", "github.com", "keys rest on it, and on the standard library"},
	{"internal/atomicfile", "golang.org/x", "keys rest on it, and on the standard library"},
	{"mesh", "github.com", "the core is values in, values out"},
	{"mesh", "k8s.io", "the core is tested without a cluster"},
	{"mesh", "golang.zx2c4.com", "the core knows no device"},
	{"mesh/loop", "github.com",
		"a loop stands on the standard library alone: it knows no mesh, no cluster and no host"},
	{"mesh/loop", "golang.org/x",
		"a loop stands on the standard library alone: it knows no mesh, no cluster and no host"},
	{"mesh/loop", "k8s.io",
		"client-go's wait and workqueue stay in mesh/kube: a loop is tested in virtual time, without a cluster"},
	{"mesh/status", "github.com", "metrics are one of a snapshot's readers"},
	{"mesh/status", "net/http", "the health endpoints are some of a snapshot's readers"},
	{"mesh/status", "k8s.io", "a snapshot says what it says of any cluster"},
	{"mesh/kube", "github.com/vishvananda/netlink", "a cluster is read the same on every operating system"},
	{"mesh/survey", "github.com/vishvananda/netlink", "a cluster is read the same on every operating system"},
	{"mesh/survey", "golang.zx2c4.com", "a cluster knows no device"},
	{"mesh/kube", "golang.zx2c4.com", "a cluster knows no device"},
	{"mesh/nft", "k8s.io", "tables are the host's; sigs.k8s.io/knftables is a library without Kubernetes"},
	{"mesh/nft", "github.com/vishvananda/netlink",
		"nft says what a table is; mdlayher/netlink reads tables and their notifications"},
	{"mesh/guard", "k8s.io", "rules follow from a mesh.Firewall alone"},
	{"mesh/guard", "github.com/vishvananda/netlink", "rules follow from a mesh.Firewall alone"},
	{"mesh/linux", "k8s.io/client-go", "a host is programmed without knowing where the state comes from"},
	{"mesh/linux", "k8s.io/api", "a host is programmed without knowing where the state comes from"},
	{"mesh/linux", "golang.zx2c4.com/wireguard/device",
		"the userspace device is another process, configured like the kernel's"},
	{"mesh/linux/rtnl", "golang.zx2c4.com", "the kernel's routing tables are read without a WireGuard device"},
	{"mesh/linux/rtnl", "sigs.k8s.io", "the kernel's routing tables are read without nft"},
	{"mesh/linux/drift", "golang.zx2c4.com", "what others change is detected without a device: tests give a reader"},
	{"mesh/linux/drift", "sigs.k8s.io", "the firewall's changes have a watcher of their own"},
	{"mesh/linux/lookup", "golang.zx2c4.com", "routes and tables are read without a device"},
	{"mesh/linux/routing", "golang.zx2c4.com", "routes lead to an interface by name, whatever drives it"},
	{"mesh/linux/routing", "sigs.k8s.io", "routes hold without the firewall"},
	{"mesh/linux/handshake", "github.com/vishvananda/netlink", "sockets are enough to begin a handshake"},
	{"mesh/linux/handshake", "golang.zx2c4.com",
		"who has no session is read from mesh.PeerStatus, whatever the device"},
	{"mesh/linux/echo", "github.com/vishvananda/netlink", "sockets are enough to be asked and to answer"},
	{"mesh/probe", "github.com", "probes are tested without a host"},
	{"mesh/probe", "golang.org/x", "probes are tested without a host"},
	{"mesh/probe", "k8s.io", "probes are tested without a cluster"},
	{"mesh/linux/wg", "sigs.k8s.io", "a device has its peers with whatever firewall"},
	{"mesh/userspace", "k8s.io", "the device process knows no cluster"},
	{"mesh/userspace/iface", "golang.zx2c4.com/wireguard/device", "an interface is the same whatever drives it"},
	{"mesh/userspace/limit", "github.com/vishvananda/netlink", "it counts packets, wherever they come from"},
	{"mesh/userspace/udp", "golang.zx2c4.com/wireguard/device", "sockets know no device"},
	{"mesh/userspace/udp", "log/slog", "sockets return errors; the device logs them"},
	{"cmd/kubectl-warren", "github.com/vishvananda/netlink", "it runs on every operating system"},
	{"cmd/kubectl-warren", "golang.zx2c4.com", "it runs on every operating system"},
	{"mesh/events", "k8s.io", "what is told is told of any cluster"},
	{"mesh/events", "github.com", "what is told is decided from values"},
	{"mesh/view", "k8s.io", "a view is written the same whoever read it"},
	{"mesh/view", "github.com", "a view is written on every operating system"},
	{"mesh/view", "golang.zx2c4.com", "a view is written on every operating system"},
	{"mesh/bundle", "github.com", "an archive is made on every operating system"},
	{"mesh/bundle", "k8s.io", "an archive is made without a cluster"},
	{"mesh/graph", "k8s.io", "a drawing is made the same whoever read the cluster"},
	{"mesh/graph", "github.com", "drawings are written by hand, on every operating system"},
	{"mesh/explain", "k8s.io", "a node explains itself without a cluster"},
	{"mesh/explain", "github.com", "what the kernel answers is an argument; it runs on every operating system"},
	{"mesh/doctor", "k8s.io", "a check means the same whoever read the cluster"},
	{"mesh/doctor", "github.com", "a check is made on every operating system"},
	{"mesh/enforce", "k8s.io", "the pass is tested without a cluster"},
	{"mesh/enforce", "github.com/vishvananda/netlink", "the pass is tested without a host"},
	{"mesh/agent", "k8s.io", "the loop is tested without a cluster"},
	{"mesh/agent", "github.com/vishvananda/netlink", "the loop is tested without a host"},
	{"mesh/meshtest", "k8s.io", "fakes are models, not clients"},
	{"mesh/policy", "k8s.io", "what a policy means is tested without a cluster"},
	{"mesh/policy", "github.com/vishvananda/netlink", "a table follows from the input alone"},
	{"mesh/ports", "github.com/vishvananda/netlink", "a table follows from the ports alone"},
	{"cni", "k8s.io", "a node's CNI configuration depends on its pod CIDRs and nothing else of the cluster"},
	{"cni", "github.com/vishvananda/netlink", "links are the plugins' business, which the runtime executes"},
	{"cni/gate", "k8s.io", "what is said of an attachment comes from the runtime"},
	{"cni/gate", "github.com/vishvananda/netlink", "links are the plugins' business"},
	{"cmd/warren-cni", "k8s.io", "it asks the daemon, not the API server, and is small"},
	{"cmd/warren-cni", "github.com/vishvananda/netlink", "it reads what the plugins before it say of their links"},
	{"cmd/warren-cni", "github.com/spf13", "its input is CNI's"},
	{"cmd/warren-cni", "net/http", "HTTP makes it twice as large"},
	{"cmd/warren-cni", "testing", "what tests need does not ship"},
	{"cmd/warren", "testing", "what tests need does not ship"},
}

func TestArrows(t *testing.T) {
	all, imports := dependencies(t, "Deps"), dependencies(t, "Imports")
	for _, a := range inside {
		if all[a.From] == nil {
			t.Errorf("no package %s: an arrow from nowhere forbids nothing", a.From)
		}
		for _, imported := range imports[a.From] {
			to, ok := strings.CutPrefix(imported, module)
			if ok && !slices.Contains(strings.Fields(a.To), to) {
				t.Errorf("%s imports %s, and may import [%s] only: %s", a.From, to, a.To, a.Reason)
			}
		}
	}
	for _, a := range outside {
		for _, dependency := range all[a.From] {
			if below(dependency, a.To) {
				t.Errorf("%s depends on %s: %s", a.From, dependency, a.Reason)
				break
			}
		}
	}
}

// TestKeysDependencies allows keys the standard library, internal/atomicfile and, for signatures with X25519 keys, the
// arithmetic of Edwards curves that the standard library keeps internal. It forbids everything else: what holds secrets
// must be small enough to read.
func TestKeysDependencies(t *testing.T) {
	for _, dependency := range dependencies(t, "Deps")["keys"] {
		first, _, _ := strings.Cut(dependency, "/")
		if strings.Contains(first, ".") && !below(dependency, "filippo.io/edwards25519") &&
			dependency != module+"internal/atomicfile" {
			t.Errorf(
				"keys depend on %s, and may on the standard library, internal/atomicfile and "+
					"filippo.io/edwards25519 only", dependency)
		}
	}
}

// Every package of the product has its arrows.
func TestArrowsAreComplete(t *testing.T) {
	known := map[string]bool{}
	for _, a := range inside {
		known[a.From] = true
	}
	for from := range dependencies(t, "Imports") {
		if !known[from] && !below(from, "test") && from != "warren.mesh" {
			t.Errorf("package %s: say in this file what it may depend on", from)
		}
	}
}

// What the pure packages may not name although something they depend on may: time needs os, and mesh/nft runs nft.
func TestPureImports(t *testing.T) {
	forbidden := []string{
		"os", "os/exec", "log", "log/slog", "net", "net/http", "io/fs", "syscall", "math/rand", "math/rand/v2",
	}
	for pattern, more := range map[string][]string{
		"./mesh":         nil,
		"./mesh/status":  nil, // its times are arguments
		"./mesh/view":    nil,
		"./mesh/doctor":  nil, // its times are arguments
		"./mesh/events":  nil, // so are its
		"./mesh/explain": nil, // so are its
		"./mesh/bundle":  nil, // its times are arguments
		"./mesh/graph":   {"time"},
		"./mesh/plan":    {"time"},
		"./mesh/guard":   {"time", "context", "github.com/mdlayher/netlink", "sigs.k8s.io/knftables"},
		"./mesh/policy":  {"time", "context", "github.com/mdlayher/netlink", "sigs.k8s.io/knftables"},
		"./mesh/ports":   {"time", "context", "github.com/mdlayher/netlink", "sigs.k8s.io/knftables"},
	} {
		for _, line := range list(t, `{{join .Imports "\n"}}`, pattern) {
			if slices.Contains(forbidden, line) || slices.Contains(more, line) {
				t.Errorf("%s imports %s: it does no I/O, reads no clock, logs nothing and rolls no dice", pattern, line)
			}
		}
	}
}

// dependencies lists, for each package of this module, its Imports or, through them, its Deps. Those of its tests are
// not among them.
func dependencies(t *testing.T, field string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, line := range list(t, `{{.ImportPath}} {{join .`+field+` " "}}`, "./...") {
		fields := strings.Fields(line)
		all[strings.TrimPrefix(fields[0], module)] = fields[1:]
	}
	return all
}

func list(t *testing.T, format, pattern string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", format, pattern).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// below reports whether a package is to or lies below it.
func below(dependency, to string) bool {
	return dependency == to || strings.HasPrefix(dependency, to+"/")
}
