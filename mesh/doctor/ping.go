package doctor

import (
	"fmt"
	"maps"
	"slices"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// leastIPv6 is the least MTU that IPv6 takes (RFC 8200, section 5), in bytes.
const leastIPv6 = 1280

// CheckPings makes the checks of what nodes have measured: that peers answer, and that the paths carry the mesh's MTU.
// reports and silent are by the node that was asked to measure; a silent one could not be told.
func CheckPings(reports map[string]status.PingReport, silent map[string]string) []view.Check {
	p := measured(reports, silent)
	sessions, _ := Find(Sessions)
	mtu, _ := Find(PathMTU)
	return []view.Check{p.answers().of(sessions), p.carries().of(mtu)}
}

func measured(reports map[string]status.PingReport, silent map[string]string) pings {
	p := pings{silence: silence(reports, silent)}
	for _, from := range slices.Sorted(maps.Keys(reports)) {
		for _, to := range reports[from].Peers {
			p.add(from, reports[from].MTU, to)
		}
	}
	return p
}

// silence says which node could not be told; empty if each has measured.
func silence(reports map[string]status.PingReport, silent map[string]string) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(silent)) {
		texts = append(texts, name+": "+silent[name])
	}
	for _, name := range slices.Sorted(maps.Keys(reports)) {
		if reports[name].ObservedAt.IsZero() {
			texts = append(texts, "the daemon does not answer")
		}
	}
	if len(reports)+len(silent) == 0 {
		texts = []string{"no node was asked"}
	}
	return view.First(texts, "; ")
}

// pings is what the measurements come to.
type pings struct {
	silence string
	// measured is how many ways there are of which it is known whether they are answered; unmeasured are the others.
	measured   int
	unmeasured []string
	// unanswered are the ways without an answer, and narrow those that carry less than the mesh's MTU; full is how many
	// carry all.
	unanswered, narrow []string
	full               int
	// least is the least path MTU of the narrow ways, and mtu that of the mesh there.
	least, mtu int
}

func (p *pings) add(from string, mtu int, to status.Ping) {
	way := from + " to " + to.Node
	switch {
	case to.Sent == 0:
		p.unmeasured = append(p.unmeasured, way+": "+to.Reason)
		return
	case to.Answered == 0:
		p.measured++
		p.unanswered = append(p.unanswered, way)
		return
	}
	p.measured++
	switch {
	case to.PathMTU == 0:
		p.unmeasured = append(p.unmeasured, way+": "+to.Reason)
	case to.PathMTU >= mtu:
		p.full++
	default:
		p.narrow = append(p.narrow, fmt.Sprintf("%s %d", way, to.PathMTU))
		if p.least == 0 || to.PathMTU < p.least {
			p.least, p.mtu = to.PathMTU, mtu
		}
	}
}

// unknown makes a check that would be well unknown if something was not measured.
func (p pings) unknown(f found, texts []string) found {
	if p.silence != "" {
		texts = append([]string{p.silence}, texts...)
	}
	if f.result == view.OK && len(texts) > 0 {
		f.result, f.detail = view.Unknown, view.First(texts, "; ")
	}
	return f
}

func (p pings) answers() found {
	f := found{result: view.OK}
	if p.measured > 0 {
		f.figure = fmt.Sprintf("%d/%d", p.measured-len(p.unanswered), p.measured)
	}
	if len(p.unanswered) > 0 {
		f.result, f.detail = view.Fail, view.First(p.unanswered, "; ")
		e, _ := Find(Sessions)
		f.remedy = "if warren peers says connected, look at the daemon there; else " + e.Remedy
	}
	var texts []string
	if p.measured == 0 {
		texts = p.unmeasured
	}
	return p.unknown(f, texts)
}

func (p pings) carries() found {
	f := found{result: view.OK}
	switch {
	case len(p.narrow) > 0:
		f = narrowed(p.least, p.mtu, p.narrow)
	case p.full == 0 && len(p.unmeasured) == 0 && p.silence == "":
		f = found{result: view.Unknown, detail: "no peer answers"}
	}
	return p.unknown(f, p.unmeasured)
}

// narrowed is what was found of ways that carry less than the mesh's MTU.
func narrowed(least, mtu int, ways []string) found {
	return found{
		result: view.Fail, figure: fmt.Sprintf("%d of %d", least, mtu), remedy: narrowRemedy(least),
		detail: "small packets pass and large ones vanish: " + view.First(ways, "; "),
	}
}

// narrowRemedy says which MTU to set.
func narrowRemedy(least int) string {
	text := fmt.Sprintf("set --mtu (WARREN_MTU) to %d on all nodes, or mend the underlay", least)
	if least < leastIPv6 {
		text += fmt.Sprintf("; IPv6 in pods needs %d", leastIPv6)
	}
	return text
}
