package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"warren.mesh/mesh/status"
)

// ClusterDocument is what was found out about a cluster, as JSON and YAML have it.
type ClusterDocument struct {
	status.Cluster
	// Reports are those of the nodes that were asked and have answered, by node.
	Reports map[string]NodeDocument `json:"reports,omitempty"`
	// Silent are the nodes that were asked and have not answered, with the reason.
	Silent map[string]string `json:"silent,omitempty"`
	Checks []Check           `json:"checks,omitempty"`
}

// CheckCluster returns how a cluster fares: what the API server tells, and then what the nodes that were asked do.
func CheckCluster(d ClusterDocument) []Check {
	checks := []Check{d.announced(), d.daemons(), d.problems(), d.reachable(), d.guards()}
	return append(checks, checkPathMTU(d.Reports)...)
}

// unread returns an Unknown check if a part of the cluster was not read.
func (d ClusterDocument) unread(name string, part status.Part) (Check, bool) {
	reason := d.Missing(part)
	return Check{Name: name, Result: Unknown, Detail: reason}, reason != ""
}

// count returns a check of how many nodes are well; what is wrong with the others is in details.
func count(name string, all int, details []string) Check {
	c := Check{Name: name, Result: OK, Figure: fmt.Sprintf("%d/%d", all-len(details), all)}
	if len(details) > 0 {
		c.Result, c.Detail = Fail, First(details, "; ")
	}
	return c
}

func (d ClusterDocument) announced() Check {
	if c, unread := d.unread("announced", status.PartNodes); unread {
		return c
	}
	var silent []string
	for _, n := range d.Nodes {
		if !n.Announced {
			silent = append(silent, n.Name)
		}
	}
	return count("announced", len(d.Nodes), silent)
}

func (d ClusterDocument) daemons() Check {
	for _, part := range []status.Part{status.PartNodes, status.PartPods} {
		if c, unread := d.unread("daemons ready", part); unread {
			return c
		}
	}
	return count("daemons ready", len(d.Nodes), d.NotReady())
}

// NotReady says of each node without a ready daemon why. What a daemon that was asked says of itself counts more than
// what its pod's condition says, which is older.
func (d ClusterDocument) NotReady() (details []string) {
	for _, n := range d.Nodes {
		var reason string
		switch {
		case n.Daemon == nil:
			reason = "no daemon"
		case !n.Ready && !n.Daemon.Ready:
			reason = "Node NotReady"
		default:
			if reason = d.unready(n); reason == "" {
				continue
			}
		}
		details = append(details, n.Name+": "+reason)
	}
	return details
}

// unready says why the daemon of a node is not ready; empty if it is.
func (d ClusterDocument) unready(n status.ClusterNode) string {
	switch r, asked := d.Reports[n.Name]; {
	case asked && r.Status == nil:
		return "the daemon does not answer"
	case asked && len(r.Status.Unready()) > 0:
		return strings.Join(r.Status.Unready(), "; ")
	case !n.Daemon.Ready:
		return n.Daemon.Reason
	default:
		return ""
	}
}

func (d ClusterDocument) problems() Check {
	c, unread := d.unread("nodes", status.PartNodes)
	if unread {
		return c
	}
	var texts []string
	for _, p := range d.Problems {
		texts = append(texts, fmt.Sprintf("%s: %s: %s", p.Node, p.Field, p.Reason))
	}
	c = Check{Name: "nodes", Result: OK}
	if len(texts) > 0 {
		c = Check{Name: "nodes", Result: Fail, Figure: fmt.Sprint(len(texts)), Detail: First(texts, "; ")}
	}
	return c
}

// noneRead is the check of what only nodes tell, where none did.
func (d ClusterDocument) noneRead(name string) Check {
	return Check{Name: name, Result: Unknown, Detail: d.Silence()}
}

// Silence says why no node has answered.
func (d ClusterDocument) Silence() string {
	for _, node := range slices.Sorted(maps.Keys(d.Silent)) {
		return node + ": " + d.Silent[node]
	}
	return cmp.Or(d.Missing(status.PartPods), d.Missing(status.PartNodes), "no node was asked")
}

// reachable says which nodes do not answer the nodes that were asked. A node that answers none of them is down; one
// that answers some is at the end of a bad link.
func (d ClusterDocument) reachable() Check {
	if len(d.Reports) == 0 {
		return d.noneRead("reachable")
	}
	read := slices.Sorted(maps.Keys(d.Reports))
	unread := slices.IndexFunc(read, func(name string) bool { return d.Reports[name].ObservedAt.IsZero() })
	bad, doubtful, peers := map[string][]string{}, map[string]bool{}, map[string]bool{}
	for _, from := range read {
		for _, p := range d.Reports[from].Peers {
			name := NameOf(p)
			peers[name] = true
			switch Answers(p) {
			case Fail:
				bad[name] = append(bad[name], from)
			case Unknown:
				doubtful[name] = true
			default:
			}
		}
	}
	var details []string
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		details = append(details, name+" unanswered by "+First(bad[name], ", "))
	}
	c := count("reachable", len(peers), details)
	switch {
	case c.Result != OK:
	case unread >= 0:
		c.Result, c.Detail = Unknown, read[unread]+": "+notRead
	case len(doubtful) > 0:
		c.Result, c.Figure = Unknown, fmt.Sprintf("%d/%d", len(peers)-len(doubtful), len(peers))
		c.Detail = doubt(slices.Sorted(maps.Keys(doubtful))) + d.unasked()
	}
	return c
}

// unasked says why peers were not asked, in parentheses; empty if no node says so.
func (d ClusterDocument) unasked() string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(d.Reports)) {
		if reason := d.Reports[name].Unasked; reason != "" {
			texts = append(texts, name+": "+reason)
		}
	}
	return parenthesised(First(texts, "; "))
}

// guards sums up what the guards dropped of the nodes whose counters were read, and names the others.
func (d ClusterDocument) guards() Check {
	if len(d.Reports) == 0 {
		return d.noneRead("guard")
	}
	total, grown := map[string]uint64{}, map[string]uint64{}
	read, watched, seconds := 0, true, 0 // by all that were read, and at least so long
	var unread []string
	for _, name := range slices.Sorted(maps.Keys(d.Reports)) {
		r := d.Reports[name]
		if r.GuardPackets == nil {
			unread = append(unread, name)
			continue
		}
		read++
		add(total, r.GuardPackets)
		if watched = watched && r.GuardGrowth != nil; watched {
			add(grown, r.GuardGrowth.Packets)
			if s := r.GuardGrowth.Seconds; read == 1 || s < seconds {
				seconds = s
			}
		}
	}
	c := Check{Name: "guard", Result: Unknown}
	if read > 0 {
		c = checkDrops(total, 0)
		if watched {
			c = checkDrops(grown, max(seconds, 1))
		}
		c.Figure += fmt.Sprintf(" on %d read", read)
	}
	if len(unread) > 0 {
		text := First(unread, ", ") + ": the counters could not be read"
		if c.Detail != "" {
			text = c.Detail + "; " + text
		}
		c.Result, c.Detail = Unknown, text
	}
	return c
}

// add adds packets to a sum, by counter.
func add(sum, packets map[string]uint64) {
	for counter, n := range packets {
		sum[counter] += n
	}
}

// WriteCluster writes what was found out about a cluster.
func WriteCluster(w io.Writer, f Format, d ClusterDocument) error {
	lines := NewLines(w)
	switch f {
	case JSON, YAML:
		return WriteDocument(w, f, d)
	case Name:
		for _, n := range d.Nodes {
			lines.Add("%s", n.Name)
		}
	default:
		writeClusterTable(lines, f == Wide, d)
	}
	return lines.Err()
}

func writeClusterTable(lines *Lines, wide bool, d ClusterDocument) {
	lines.Add("%s", d.head())
	writeChecks(lines, d.Checks)
	lines.Add("%s", d.foot())
	if !wide {
		return
	}
	rows := table{{"NODE", "ZONE", "READY", "ANNOUNCED", "DAEMON", "IMAGE"}}
	for _, n := range d.Nodes {
		daemon, image := "none", "-"
		if n.Daemon != nil {
			daemon, image = cmp.Or(n.Daemon.Reason, "ready"), n.Daemon.Image
		}
		ready, announced := strconv.FormatBool(n.Ready), strconv.FormatBool(n.Announced)
		row := []string{n.Name, cmp.Or(n.Zone, "-"), ready, announced, daemon, image}
		rows = append(rows, row)
	}
	rows.writeTo(lines)
}

// head reads "warren v1.4.0  41 nodes  dual-stack  Kubernetes v1.37.2".
func (d ClusterDocument) head() string {
	parts := []string{strings.TrimSpace("warren " + strings.Join(d.Versions(), ", "))}
	if d.Missing(status.PartNodes) == "" {
		parts = append(parts, fmt.Sprintf("%d nodes", len(d.Nodes)), d.families())
	}
	if d.Kubernetes != "" {
		parts = append(parts, "Kubernetes "+d.Kubernetes)
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "  ")
}

// Versions returns the versions of the daemons that have answered, sorted.
func (d ClusterDocument) Versions() []string {
	all := map[string]bool{}
	for _, r := range d.Reports {
		if r.Status != nil {
			all[r.Status.Daemon.Version] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// families returns which address families pods have; empty where no node has pod CIDRs.
func (d ClusterDocument) families() string {
	var v4, v6 bool
	for _, n := range d.Nodes {
		for _, p := range n.PodCIDRs {
			v4, v6 = v4 || p.Addr().Is4(), v6 || p.Addr().Is6()
		}
	}
	switch {
	case v4 && v6:
		return "dual-stack"
	case v4:
		return "IPv4"
	case v6:
		return "IPv6"
	default:
		return ""
	}
}

// foot says what was read: "Read: API at …; node-a, node-b. 39 nodes not read (--all)."
func (d ClusterDocument) foot() string {
	text := "Read: API at " + d.ObservedAt.UTC().Format("2006-01-02 15:04:05Z")
	if names := slices.Sorted(maps.Keys(d.Reports)); len(names) > 0 {
		text += "; nodes " + First(names, ", ")
	}
	text += "."
	if silent := slices.Sorted(maps.Keys(d.Silent)); len(silent) > 0 {
		text += " No answer from " + First(silent, ", ") + "."
	}
	if rest := len(d.Nodes) - len(d.Reports) - len(d.Silent); rest > 0 {
		text += fmt.Sprintf(" %d nodes not read (--all).", rest)
	}
	return text
}
