package doctor

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

func (n Node) configuration() found {
	switch {
	case n.Rival == nil:
		return found{result: view.Unknown, detail: "the directory of CNI configurations could not be read"}
	case n.Rival.File == "":
		return well
	case n.Rival.Delegates:
		return found{result: view.Warn, detail: n.Rival.File + " comes first, and refers to warren's"}
	default:
		return found{result: view.Fail, detail: n.Rival.File + " comes first: pods get another network"}
	}
}

// hostFirewall goes by the kernel and, if it answers, by the daemon too, which also knows of policy rules before its
// own and of what it could not read or change.
func (n Node) hostFirewall() found {
	f := n.condition(status.StepFirewall, status.StepOthers)
	if n.Firewalls == nil {
		return f
	}
	var all, sure []string
	for _, w := range n.Firewalls {
		all = append(all, w.Text)
		if w.Surely {
			sure = append(sure, w.Text)
		}
	}
	switch {
	case len(sure) > 0:
		return found{result: view.Fail, detail: view.First(sure, "; ")}
	case n.Report.Status != nil && f.result != view.OK:
		return f
	case len(all) > 0:
		return found{result: view.Warn, detail: view.First(all, "; ")}
	default:
		return well
	}
}

func (n Node) pathMTU() found {
	if n.Proof != nil {
		return worse(n.knownMTU(), n.Proof.pings().carries())
	}
	return n.knownMTU()
}

// knownMTU goes by what the kernel knows of the paths, and by the daemon's probes in the background. A path that was
// measured to carry the mesh's MTU does, whatever the kernel knows of it: packets outside may be cut and joined again.
func (n Node) knownMTU() found {
	if n.MTU == nil {
		return found{result: view.Unknown, detail: "the mesh's interface could not be read"}
	}
	if least, ways := n.narrow(); least > 0 {
		return narrowed(least, n.MTU.Link, ways)
	}
	f := found{result: view.OK, figure: fmt.Sprint(n.MTU.Link)}
	whole := n.whole()
	least := n.MTU.Link
	var texts []string
	for _, to := range slices.SortedFunc(maps.Keys(n.MTU.Paths), netip.Addr.Compare) {
		needed, mtu := n.MTU.Link+overhead(to), n.MTU.Paths[to]
		if mtu < needed && !whole[to] {
			texts = append(texts, fmt.Sprintf("%d to %v, which needs %d", mtu, to, needed))
			least = min(least, mtu-overhead(to))
		}
	}
	if len(texts) > 0 {
		f.result, f.remedy = view.Fail, narrowRemedy(least)
		f.detail = "the kernel knows of paths that carry less with WireGuard's headers: " + view.First(texts, "; ")
	}
	return f
}

// whole returns the endpoints to which probes have measured that the mesh's whole MTU passes.
func (n Node) whole() map[netip.Addr]bool {
	measured := map[string]bool{}
	if n.Proof != nil {
		for _, p := range n.Proof.Pings.Peers {
			measured[p.Node] = p.PathMTU >= n.MTU.Link
		}
	}
	all := map[netip.Addr]bool{}
	for _, p := range n.Report.Peers {
		if measured[p.Node] || p.Probe != nil && p.Probe.PathMTU >= n.MTU.Link {
			all[p.Endpoint.Addr()] = true
		}
	}
	return all
}

// narrow returns the ways to peers that carry less than the mesh's MTU, as probes have measured, and the least of them;
// zero where there is none.
func (n Node) narrow() (least int, ways []string) {
	for _, p := range n.Report.Peers {
		if p.Probe == nil || p.Probe.PathMTU == 0 || p.Probe.PathMTU >= n.MTU.Link {
			continue
		}
		ways = append(ways, fmt.Sprintf("to %s %d", view.NameOf(p), p.Probe.PathMTU))
		if least == 0 || p.Probe.PathMTU < least {
			least = p.Probe.PathMTU
		}
	}
	return least, ways
}

func (n Node) guard() found {
	switch n.Guard {
	case GuardWhole:
		return well
	case GuardAltered:
		return found{result: view.Fail, detail: "somebody has changed the table inet warren"}
	case GuardAbsent:
		return found{result: view.Fail, detail: "there is no table inet warren"}
	default:
		return found{result: view.Unknown, detail: "the table inet warren could not be read"}
	}
}

func (n Node) drops() found {
	if n.Drops == nil {
		return found{result: view.Unknown, detail: "the guard's counters could not be read"}
	}
	var total uint64
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(n.Drops)) {
		if count := n.Drops[name]; count > 0 {
			total += count
			texts = append(texts, fmt.Sprintf("%s %d", name, count))
		}
	}
	f := found{result: view.OK, figure: fmt.Sprintf("%d in %v", total, n.Watched.Round(time.Second))}
	if total > 0 {
		f.result, f.detail = view.Warn, strings.Join(texts, ", ")
	}
	return f
}

func (n Node) backend() found {
	if n.Report.Status == nil {
		return daemonDown
	}
	daemon := n.Report.Status.Daemon
	switch {
	case daemon.Backend == "kernel":
		return well
	case n.KernelWireGuard == nil:
		return found{result: view.Unknown, detail: "whether the kernel has WireGuard could not be tried"}
	case *n.KernelWireGuard:
		return found{result: view.Warn, detail: "a process drives the device (" + daemon.BackendReason +
			"), and the kernel has WireGuard"}
	default:
		return found{result: view.OK, detail: "a process drives the device: the kernel has no WireGuard"}
	}
}

func (n Node) strays() found {
	f := n.condition(status.StepStrays)
	if f.result != view.OK || len(n.Report.Status.Pods.Strays) == 0 {
		return f
	}
	var texts []string
	for _, addr := range n.Report.Status.Pods.Strays {
		texts = append(texts, addr.String())
	}
	return found{result: view.Warn, figure: fmt.Sprint(len(texts)), detail: view.First(texts, ", ")}
}

func (n Node) keyAge() found {
	switch age := n.Report.ObservedAt.Sub(n.KeyMade); {
	case n.KeyMade.IsZero() || n.Report.ObservedAt.IsZero():
		return found{result: view.Unknown, detail: "the key's file could not be looked at"}
	case age > keyLife:
		return found{result: view.Warn, detail: "it was made on " + n.KeyMade.UTC().Format(time.DateOnly)}
	default:
		return well
	}
}
