package main

import (
	"fmt"
	"strings"
	"testing"

	"warren.mesh/mesh/view"
)

// Whatever command is called wrongly exits with 2, asks no node, and writes nothing to standard output.
func TestWrongUsage(t *testing.T) {
	s := newShop(t)
	for i := range mostAsked {
		s.slices[0].Endpoints = append(s.slices[0].Endpoints,
			endpoint("more", "node-2", fmt.Sprintf("10.128.2.%d", 100+i), true))
	}
	for i := len(s.nodes); i <= mostAsked; i++ {
		s.nodes = append(s.nodes, fakeNode(t, i))
	}
	var names []string
	for _, n := range s.nodes {
		names = append(names, n.Name)
	}
	many := strings.Join(names, ",")
	lines := []string{
		"peers --sort bogus", "ping none", "ping node-1 --from none", "ping node-1 --from node-1", "ping",
		"ping node-1 --all", "ping node-1 --count 0", "ping --all --from " + many,
		"explain shop/web-0", "explain shop/web-0 node-99", "explain shop/web-0 shop/none",
		"explain 198.51.100.7 shop/web-0", "explain shop/web-0 shop/db", "explain shop/web-0 shop/web-1 port",
		"explain shop/web-0 shop/web-1 --from node-1",
		"doctor --wait soon", "graph -o json", "plan -f - --node node-z", "plan -f - --mtu 5", "plan", "none",
	}
	for _, command := range []string{"status", "peers", "doctor", "graph", "bugreport"} {
		lines = append(lines, command+" --from none", command+" --from node-1,none", command+" --from "+many,
			command+" argument", command+" --none", command+" --timeout 0s")
	}
	for _, command := range []string{
		"status", "peers", "doctor", "ping node-1", "explain shop/web-0 node-1", "plan -f -",
	} {
		lines = append(lines, command+" -o bogus")
	}
	for _, line := range lines {
		args := strings.Fields(line)
		if args[0] != "plan" && args[0] != "none" {
			args = append(args, "--kubeconfig", s.kubeconfig)
		}
		if args[0] != "graph" && !strings.Contains(line, "-o ") && !strings.Contains(line, "bugreport") {
			args = append(args, "-o", "json")
		}
		out, code, err := execute(t, twoNodes, args...)
		if code != view.ExitUsage || err == nil || out != "" || s.execs.Load() > 0 {
			t.Errorf("%.60s: exit status %d, want %d, %.90v, %d execs:\n%s", line, code, view.ExitUsage, err,
				s.execs.Swap(0), out)
		}
	}
}
