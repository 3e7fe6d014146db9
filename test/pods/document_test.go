package pods

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"warren.mesh/mesh/kube/policies"
	"warren.mesh/mesh/policy"
)

// document is what the page says that can be tried.
type document struct {
	pods     []policy.Pod
	examples []example
}

// example is a section of the page.
type example struct {
	title    string
	policies []policy.Policy
	rows     []row
}

// row is a connection, and whether it passes. The ends are a pod's namespace and name, a node's name or an address.
type row struct {
	from, to string
	network  string
	port     uint16
	passes   bool
}

func (r row) String() string { return fmt.Sprintf("%s to %s %s/%d", r.from, r.to, r.network, r.port) }

// readDocument reads docs/network-policy.md: the table of pods, and below it, of each section, policies in YAML and a
// table of connections.
func readDocument(t *testing.T) (d document) {
	t.Helper()
	text, err := os.ReadFile("../../docs/network-policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, examples, found := strings.Cut(string(text), "\n## Examples\n")
	if !found {
		t.Fatal("the page has no examples")
	}
	sections := strings.Split(examples, "\n### ")
	for _, cells := range table(sections[0]) {
		d.pods = append(d.pods, podOf(t, cells))
	}
	for _, section := range sections[1:] {
		title, _, _ := strings.Cut(section, "\n")
		e := example{title: title, policies: policiesOf(t, section)}
		for _, cells := range table(section) {
			e.rows = append(e.rows, rowOf(t, cells))
		}
		d.examples = append(d.examples, e)
	}
	if len(d.pods) < 5 || len(d.examples) < 3 || len(d.examples[0].rows) < 5 {
		t.Fatalf("%d pods and %d examples: the page is written in another way", len(d.pods), len(d.examples))
	}
	return d
}

// table returns the rows of a Markdown table below its head.
func table(text string) (rows [][]string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		rows = append(rows, cells)
	}
	if len(rows) > 0 {
		rows = rows[1:]
	}
	return rows
}

var portsIn = regexp.MustCompile("`?([a-z-]+)`? (TCP|UDP) ([0-9]+)")

// podOf reads namespace/name, node, labels and ports.
func podOf(t *testing.T, cells []string) policy.Pod {
	t.Helper()
	p := policy.Pod{Node: cells[1]}
	p.Namespace, p.Name, _ = strings.Cut(cells[0], "/")
	labels := map[string]string{}
	for label := range strings.SplitSeq(cells[2], ",") {
		key, value, found := strings.Cut(label, "=")
		if !found {
			t.Fatalf("pod %s has no labels in %q", cells[0], cells[2])
		}
		labels[key] = value
	}
	p.Labels = policy.NewLabels(labels)
	for _, m := range portsIn.FindAllStringSubmatch(cells[3], -1) {
		number, err := strconv.ParseUint(m[3], 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		p.Ports = append(p.Ports, policy.NamedPort{
			Name: m[1], Protocol: policy.Protocol(strings.ToLower(m[2])), Number: uint16(number),
		})
	}
	return p
}

var serverIn = regexp.MustCompile("^([^ `]+)`? (TCP|UDP) ([0-9]+)$")

func rowOf(t *testing.T, cells []string) row {
	t.Helper()
	m := serverIn.FindStringSubmatch(cells[1])
	if m == nil || len(cells) != 3 || cells[2] != "passes" && cells[2] != "refused" {
		t.Fatalf("no connection in %q", cells)
	}
	port, err := strconv.ParseUint(m[3], 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return row{cells[0], m[1], strings.ToLower(m[2]), uint16(port), cells[2] == "passes"}
}

// policiesOf reads the section's YAML, as strictly as the API server does, and translates it as the daemon does.
func policiesOf(t *testing.T, section string) (all []policy.Policy) {
	t.Helper()
	_, text, found := strings.Cut(section, "```yaml\n")
	text, _, closed := strings.Cut(text, "```")
	if !found || !closed {
		t.Fatalf("no policies in %q", section)
	}
	documents := yaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(text)))
	for {
		part := make([]byte, len(text))
		n, err := documents.Read(part)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var o networkingv1.NetworkPolicy
		if err := sigsyaml.UnmarshalStrict(part[:n], &o); err != nil || o.Kind != "NetworkPolicy" {
			t.Fatalf("%s: %v", part[:n], err)
		}
		p, problems := policies.Translate(&o)
		if len(problems) > 0 {
			t.Errorf("%v", problems)
		}
		all = append(all, p)
	}
}

// addr is the address that an end of a connection means in a cluster, of the family of like; none if it has none.
func (c *Cluster) addr(t *testing.T, end string, like netip.Addr) netip.Addr {
	t.Helper()
	if addr, err := netip.ParseAddr(end); err == nil {
		if addr.Is4() != like.Is4() {
			return netip.Addr{}
		}
		return addr
	}
	for _, n := range c.Nodes {
		if n.Name == end && like.Is4() {
			return n.Gateways[0]
		} else if n.Name == end {
			return n.Gateways[1]
		}
		for _, p := range n.Pods {
			if p.Namespace+"/"+p.Name == end {
				return p.Addr(like)
			}
		}
	}
	t.Fatalf("the page has no %s", end)
	return netip.Addr{}
}
