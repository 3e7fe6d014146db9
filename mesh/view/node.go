package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// mostNames is how many names a check's detail lists. The peers' own table has all.
const mostNames = 3

// CheckNode returns what a node's report says of it.
func CheckNode(r status.Report) []Check {
	checks := append(checkDaemon(r.Status), CheckPeers(r), checkGuard(r))
	return append(checks, checkPathMTU(map[string]NodeDocument{nodeName(r): {Report: r}})...)
}

// checkDaemon looks at readiness, warnings and other nodes' problems; nil is a daemon that does not answer.
func checkDaemon(s *status.Snapshot) []Check {
	if s == nil {
		return []Check{
			{Name: "daemon", Result: Unknown, Detail: "it does not answer"},
			{Name: "nodes", Result: Unknown, Detail: "the daemon knows what is wrong with them"},
		}
	}
	checks := []Check{{Name: "daemon", Result: OK}}
	if reasons := s.Unready(); len(reasons) > 0 {
		checks[0] = Check{Name: "daemon", Result: Fail, Detail: "not ready: " + strings.Join(reasons, "; ")}
	}
	for _, warning := range s.Warnings() {
		checks = append(checks, Check{Name: "daemon", Result: Warn, Detail: warning})
	}
	nodes := Check{Name: "nodes", Result: OK}
	var texts []string
	for _, p := range s.Problems {
		texts = append(texts, fmt.Sprintf("%s: %s: %s", p.Node, p.Field, p.Reason))
	}
	if len(texts) > 0 {
		nodes = Check{Name: "nodes", Result: Warn, Figure: fmt.Sprint(len(texts)), Detail: First(texts, "; ")}
	}
	return append(checks, nodes)
}

// notRead says why nothing is known of the peers: the daemon forgets what it read a minute ago.
const notRead = "the device has not been read in the last minute"

// CheckPeers looks at which peers answer. A report without peers of a node that should have some was not read. An idle
// peer is well if nobody wanted it to be asked, and nothing speaks against it.
func CheckPeers(r status.Report) Check {
	if r.ObservedAt.IsZero() {
		return Check{Name: "peers", Result: Unknown, Detail: notRead}
	}
	bad := map[mesh.PeerState][]string{}
	var doubtful []string
	idle := 0
	for _, p := range r.Peers {
		state, troubled := Trouble(p)
		switch {
		case troubled:
			bad[state] = append(bad[state], NameOf(p))
		case Answers(p) == OK:
		case r.Unasked == "" && unmeasured(p):
			idle++
		default:
			doubtful = append(doubtful, NameOf(p))
		}
	}
	c := Check{Name: "peers", Result: OK}
	var details []string
	well := len(r.Peers) - len(doubtful)
	if len(doubtful) > 0 {
		c.Result, details = Unknown, []string{doubt(doubtful) + parenthesised(r.Unasked)}
	}
	for _, state := range []mesh.PeerState{mesh.PeerUnanswered, mesh.PeerMissing} {
		if names := bad[state]; len(names) > 0 {
			well -= len(names)
			c.Result, details = Fail, slices.Insert(details, 0, string(state)+": "+First(names, ", "))
		}
	}
	if c.Result == OK && idle > 0 {
		details = []string{fmt.Sprintf("%d idle: nothing goes to them, so nothing tells whether they answer", idle)}
	}
	c.Figure, c.Detail = fmt.Sprintf("%d/%d", well, len(r.Peers)), strings.Join(details, "; ")
	return c
}

// parenthesised returns " (text)"; empty for none.
func parenthesised(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// checkGuard looks at what the guard has dropped of late or, where nobody has watched it, since its table was made.
func checkGuard(r status.Report) Check {
	switch {
	case len(r.GuardPackets) == 0:
		return Check{Name: "guard", Result: Unknown, Detail: "its counters could not be read"}
	case r.GuardGrowth != nil:
		return checkDrops(r.GuardGrowth.Packets, r.GuardGrowth.Seconds)
	default:
		return checkDrops(r.GuardPackets, 0)
	}
}

// checkDrops looks at what was dropped in so many seconds; zero is since the guard's table was made.
func checkDrops(packets map[string]uint64, seconds int) Check {
	var total uint64
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(packets)) {
		if n := packets[name]; n > 0 && name != status.NotDropped {
			total += n
			texts = append(texts, fmt.Sprintf("%s %d", name, n))
		}
	}
	c := Check{Name: "guard", Result: OK, Figure: fmt.Sprintf("%d dropped", total)}
	if seconds > 0 {
		c.Figure += " in " + ago(time.Unix(0, 0), time.Unix(int64(seconds), 0))
	}
	if total > 0 {
		c.Result, c.Detail = Warn, strings.Join(texts, ", ")
	}
	return c
}

// First joins a few of the texts and says how many more there are.
func First(texts []string, separator string) string {
	if len(texts) <= mostNames {
		return strings.Join(texts, separator)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(texts[:mostNames], separator), len(texts)-mostNames)
}

// NodeDocument is a node's report with what the checks say of it, as JSON and YAML have it.
type NodeDocument struct {
	status.Report
	Checks []Check `json:"checks,omitempty"`
}

// WriteNode writes a node's report and its checks.
func WriteNode(w io.Writer, f Format, r status.Report, checks []Check) error {
	lines := NewLines(w)
	switch f {
	case JSON, YAML:
		return WriteDocument(w, f, NodeDocument{r, checks})
	case Name:
		lines.Add("%s", nodeName(r))
	default:
		lines.Add("%s", head(r))
		writeChecks(lines, checks)
		read := notRead
		if !r.ObservedAt.IsZero() {
			read = "read at " + r.ObservedAt.UTC().Format("2006-01-02 15:04:05Z")
		}
		lines.Add("Source: %s, %s.", r.Source, read)
	}
	return lines.Err()
}

func nodeName(r status.Report) string {
	if r.Status == nil {
		return "this node"
	}
	return r.Status.Node
}

func head(r status.Report) string {
	if r.Status == nil {
		return "warren  " + nodeName(r)
	}
	d := r.Status.Daemon
	return fmt.Sprintf("warren %s  %s  WireGuard: %s, %s", d.Version, r.Status.Node, d.Backend, d.BackendReason)
}
