package view

import (
	"fmt"
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

// planDocument is a plan in JSON and YAML.
type planDocument struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Nodes      []planNode `json:"nodes"`
}

type planNode struct {
	plan.Host
	// State is in the words of ip(8), wg(8) and the guard, one line for each part.
	State []string `json:"state,omitempty"`
}

// WritePlan writes what every node would look like.
func WritePlan(w io.Writer, f Format, hosts []plan.Host) error {
	switch f {
	case JSON, YAML:
		document := planDocument{APIVersion: status.APIVersion, Kind: "Plan"}
		for _, h := range hosts {
			document.Nodes = append(document.Nodes, planNode{h, stateLines(h)})
		}
		return WriteDocument(w, f, document)
	case Name:
		for _, h := range hosts {
			if _, err := fmt.Fprintln(w, h.Node); err != nil {
				return err
			}
		}
		return nil
	default:
		for _, h := range hosts {
			if _, err := io.WriteString(w, planText(h)); err != nil {
				return err
			}
		}
		return nil
	}
}

func stateLines(h plan.Host) []string {
	text := strings.TrimSpace(h.Desired.String())
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// planText begins with the node's name; all that is said of it is indented.
func planText(h plan.Host) string {
	lines := []string{h.Node}
	if h.Assumed {
		lines = append(lines, " announces nothing yet: its key here is a stand-in")
	}
	if h.Waiting != "" {
		lines = append(lines, " FAIL "+h.Waiting)
	}
	for _, p := range h.Problems {
		lines = append(lines, " warn "+p.String())
	}
	for _, line := range stateLines(h) {
		lines = append(lines, "  "+line)
	}
	return strings.Join(lines, "\n") + "\n"
}
