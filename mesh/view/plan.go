package view

import (
	"io"
	"slices"
	"strings"

	"warren.mesh/mesh/plan"
	"warren.mesh/mesh/status"
)

// ExitPlan returns a finding if any node would wait, refuse or report a problem.
func ExitPlan(hosts []plan.Host) int {
	if slices.ContainsFunc(hosts, func(h plan.Host) bool { return h.Waiting != "" || len(h.Problems) > 0 }) {
		return ExitFinding
	}
	return ExitWell
}

// PlanDocument is what nodes would look like, as JSON and YAML have it.
type PlanDocument struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Nodes      []PlanNode `json:"nodes"`
}

// PlanKind is PlanDocument's kind.
const PlanKind = "Plan"

// PlanNode is what one node would look like.
type PlanNode struct {
	plan.Host
	// State is in the words of ip(8), wg(8) and the guard, one line for each part.
	State []string `json:"state,omitempty"`
}

// WritePlan writes what every node would look like.
func WritePlan(w io.Writer, f Format, hosts []plan.Host) error {
	lines := NewLines(w)
	switch f {
	case JSON, YAML:
		document := PlanDocument{APIVersion: status.APIVersion, Kind: PlanKind}
		for _, h := range hosts {
			document.Nodes = append(document.Nodes, PlanNode{h, stateLines(h)})
		}
		return WriteDocument(w, f, document)
	case Name:
		for _, h := range hosts {
			lines.Add("%s", h.Node)
		}
	default:
		for _, h := range hosts {
			writeHost(lines, h)
		}
	}
	return lines.Err()
}

func stateLines(h plan.Host) []string {
	text := strings.TrimSpace(h.Desired.String())
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// writeHost begins with the node's name; all that is said of it is indented.
func writeHost(lines *Lines, h plan.Host) {
	lines.Add("%s", h.Node)
	if h.Assumed {
		lines.Add(" announces nothing yet: its key here is a stand-in")
	}
	if h.Waiting != "" {
		lines.Add(" FAIL %s", h.Waiting)
	}
	for _, p := range h.Problems {
		lines.Add(" warn %v", p)
	}
	for _, line := range stateLines(h) {
		lines.Add("  %s", line)
	}
}
