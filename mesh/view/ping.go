package view

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"warren.mesh/mesh/status"
)

// PingDocument is what a node has measured with what the checks say of it, as JSON and YAML have it.
type PingDocument struct {
	status.PingReport
	Checks []Check `json:"checks,omitempty"`
}

// PingsDocument is what several nodes have measured, as JSON and YAML have it.
type PingsDocument struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Source     status.Source `json:"source"`
	ObservedAt time.Time     `json:"observedAt"`
	// Reports are those of the nodes that were asked and have answered, by node.
	Reports map[string]status.PingReport `json:"reports,omitempty"`
	// Silent are the nodes that were asked and have not answered, with the reason.
	Silent map[string]string `json:"silent,omitempty"`
	Checks []Check           `json:"checks,omitempty"`
}

// PingsKind is PingsDocument's kind.
const PingsKind = "ClusterPingReport"

// WritePing writes what a node has measured. By name it lists the peers that have answered.
func WritePing(w io.Writer, f Format, d PingDocument) error {
	if f == JSON || f == YAML {
		return WriteDocument(w, f, d)
	}
	lines := NewLines(w)
	writePings(lines, f, map[string]status.PingReport{d.Node: d.PingReport}, false, d.Checks)
	return lines.Err()
}

// WritePings writes what several nodes have measured. By name it lists the peers that have answered one of them.
func WritePings(w io.Writer, f Format, d PingsDocument) error {
	if f == JSON || f == YAML {
		return WriteDocument(w, f, d)
	}
	lines := NewLines(w)
	writePings(lines, f, d.Reports, true, d.Checks)
	for _, name := range slices.Sorted(maps.Keys(d.Silent)) {
		if f != Name {
			lines.Add("No answer from %s: %s", name, d.Silent[name])
		}
	}
	return lines.Err()
}

func writePings(lines *Lines, f Format, reports map[string]status.PingReport, from bool, checks []Check) {
	if f == Name {
		writeAnswering(lines, reports)
		return
	}
	head := []string{"NODE", "RTT", "LOSS", "PATH-MTU"}
	if f == Wide {
		head = append(head, "ADDRESS", "SENT", "LEAST", "MOST", "REASON")
	}
	if from {
		head = slices.Insert(head, 0, "FROM")
	}
	rows := table{head}
	for _, name := range slices.Sorted(maps.Keys(reports)) {
		for _, p := range reports[name].Peers {
			row := pingRow(p, f == Wide)
			if from {
				row = slices.Insert(row, 0, name)
			}
			rows = append(rows, row)
		}
	}
	if len(rows) > 1 {
		rows.writeTo(lines)
	}
	writeChecks(lines, checks)
}

func writeAnswering(lines *Lines, reports map[string]status.PingReport) {
	answering := map[string]bool{}
	for _, r := range reports {
		for _, p := range r.Peers {
			if p.Answered > 0 {
				answering[p.Node] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(answering)) {
		lines.Add("%s", name)
	}
}

func pingRow(p status.Ping, wide bool) []string {
	row := append([]string{p.Node}, measured(&p.Measurement)...)
	if !wide {
		return row
	}
	address, least, most, reason := "-", "-", "-", "-"
	if p.Address != (netip.Addr{}) {
		address = p.Address.String()
	}
	if p.RTT != nil {
		least, most = seconds(p.RTT.Least), seconds(p.RTT.Most)
	}
	if p.Reason != "" {
		reason = p.Reason
	}
	return append(row, address, strconv.Itoa(p.Sent), least, most, reason)
}

// measured are the columns RTT, LOSS and PATH-MTU; what is not known is "-".
func measured(m *status.Measurement) []string {
	rtt, loss, mtu := "-", "-", "-"
	if m != nil && m.RTT != nil {
		rtt = seconds(m.RTT.Mean)
	}
	if m != nil && m.Sent > 0 {
		loss = strconv.Itoa(m.Lost()) + "%"
	}
	if m != nil && m.PathMTU > 0 {
		mtu = strconv.Itoa(m.PathMTU)
	}
	return []string{rtt, loss, mtu}
}

// seconds reads "0.4ms", "12ms" or "1.2s".
func seconds(s float64) string {
	switch ms := s * 1000; {
	case ms < 9.95:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 999.5:
		return fmt.Sprintf("%.0fms", ms)
	default:
		return fmt.Sprintf("%.1fs", s)
	}
}
