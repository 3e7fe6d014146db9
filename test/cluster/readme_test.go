package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
	"warren.mesh/test/readme"
)

// reader does what a page says, as it is written there, in a directory like the root of a work tree.
type reader struct {
	*cluster.Cluster
	document readme.Document
	page     string
	// dir holds the manifests and the files that the README has people write.
	dir string
}

// readmeCIDR is the pod range in the README, readmeImage the image.
const (
	readmeCIDR  = "10.244.0.0/16"
	readmeImage = "registry.example/warren:1"
)

// newReader reads the README.
func newReader(t *testing.T, c *cluster.Cluster) *reader {
	t.Helper()
	return newPageReader(t, c, "README.md")
}

// newPageReader prepares the directory. It replaces only the pod range by the cluster's.
func newPageReader(t *testing.T, c *cluster.Cluster, page string) *reader {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Root(), page))
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{Cluster: c, document: readme.Parse(string(text)), page: page, dir: t.TempDir()}
	var ranges []string
	for _, p := range c.ClusterCIDRs() {
		ranges = append(ranges, p.String())
	}
	errs := []error{os.Symlink(filepath.Join(c.Root(), "manifests"), filepath.Join(r.dir, "manifests"))}
	for path, content := range r.document.Files {
		path = filepath.Join(r.dir, path)
		content = strings.ReplaceAll(content, readmeCIDR, strings.Join(ranges, ","))
		errs = append(errs, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := range r.document.Commands {
		c := &r.document.Commands[i]
		c.Text = strings.ReplaceAll(c.Text, readmeCIDR, ranges[0])
	}
	return r
}

// script makes a command one of a shell on this machine.
func (r *reader) script(command string) string {
	return r.Environment() + "\ncd " + r.dir + "\n" + command
}

// run runs a command where the README says, and returns its standard output.
func (r *reader) run(t *testing.T, c readme.Command) string {
	t.Helper()
	t.Logf("%s", c.Text)
	if c.OnNode {
		return r.Node(1).MustExec(t, "sh", "-c", c.Text)
	}
	return command(t, "sh", "-ec", r.script(c.Text))
}

// section returns the section's commands that the cluster's address families allow.
func (r *reader) section(t *testing.T, name string) []readme.Command {
	t.Helper()
	isIPv4 := func(p netip.Prefix) bool { return p.Addr().Is4() }
	isIPv6 := func(p netip.Prefix) bool { return p.Addr().Is6() }
	var all []readme.Command
	for _, c := range r.document.Commands {
		if c.Section != name ||
			strings.HasPrefix(c.Text, "ip -6 ") && !slices.ContainsFunc(r.ClusterCIDRs(), isIPv6) ||
			strings.HasPrefix(c.Text, "ip route ") && !slices.ContainsFunc(r.ClusterCIDRs(), isIPv4) {
			continue
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		t.Errorf("%s has no commands in %q", r.page, name)
	}
	return all
}

// explainPods begins the README's example of a packet that is dropped, between pods that are not here.
const explainPods = "kubectl warren explain "

// What the README tells people to look at says what it is said to.
func (s *scene) readme(t *testing.T) {
	r := newReader(t, s.Cluster)
	s.buildPlugin(t)
	for _, name := range []string{"Check that it works", "Inspect", "Debug"} {
		for _, c := range r.section(t, name) {
			if strings.HasPrefix(c.Text, explainPods) {
				c.Text = explainPods + "default/" + s.web[0].Name + " default/" + s.web[1].Name
				if out := r.run(t, c); !strings.Contains(out, "Would pass.") {
					t.Errorf("%s: %s", c.Text, out)
				}
				continue
			}
			r.expect(t, c)
		}
	}
	for _, text := range r.document.Inline {
		if strings.HasPrefix(text, "wg ") {
			r.run(t, readme.Command{Text: text, OnNode: true})
		}
	}
}

// A node that is re-keyed as the README says has another key, and its pods reach the others.
func (s *scene) rekey(t *testing.T) {
	r := newReader(t, s.Cluster)
	announced := func() string { return s.Node(1).Object(t).Annotations["warren.mesh/public-key"] }
	before := announced()
	for _, c := range r.section(t, "Re-key a node") {
		r.run(t, c)
	}
	lab.Wait(t, time.Minute, "the others to know another key", func() error {
		now := announced()
		if now == before {
			return errors.New("it announces the old one")
		}
		for _, n := range s.Nodes()[1:] {
			if peers, err := n.Exec("wg", "show", "warren0", "peers"); err != nil || !strings.Contains(peers, now) ||
				strings.Contains(peers, before) {
				return fmt.Errorf("%s has the peers %q, %v", n.Name, peers, err)
			}
		}
		return nil
	})
	s.pods(t)
}

// expect runs a command and looks for what the README says that it prints.
func (r *reader) expect(t *testing.T, c readme.Command) {
	t.Helper()
	switch {
	case strings.HasPrefix(c.Text, "tcpdump "):
		r.expectCapture(t, c)
		return
	case strings.HasSuffix(c.Text, "grep '^ *warren.mesh/'"):
		r.wantAnnotations(t, r.run(t, c))
		return
	}
	if _, file, found := strings.Cut(c.Text, " > "); found {
		show := "cat "
		if strings.HasSuffix(file, ".tar.gz") {
			show = "tar tzf "
		}
		c.Text += "; " + show + file
	}
	nodes := len(r.Nodes())
	for _, e := range []struct {
		command, text string
		count         int
	}{
		{"kubectl get nodes", " Ready ", nodes},
		{"-- wg show warren0", "latest handshake: ", nodes - 1},
		{"ping -c 3 $ip\ndone", " 0% packet loss", nodes},
		{"grep warren_firewall_packets_total", `{counter="leak-pod"} `, 1},
		{"graph --all -o svg > mesh.svg; cat mesh.svg", "</svg>", 1},
		{"bugreport --all --redact > report.tar.gz; tar tzf report.tar.gz", "cluster.json\n", 1},
		{"localhost:18788/readyz", "ok\nWireGuard: ", 1},
		{"", "", 0},
	} {
		if !strings.HasSuffix(c.Text, e.command) {
			continue
		}
		out := r.run(t, c)
		if got := strings.Count(out, e.text); e.text != "" && got != e.count || strings.TrimSpace(out) == "" {
			t.Errorf("%s: %q %d times, want %d, in\n%s", c.Text, e.text, got, e.count, out)
		}
		return
	}
}

// expectCapture runs a capture while pods ping each other. Each packet in it is WireGuard's.
func (r *reader) expectCapture(t *testing.T, c readme.Command) {
	t.Helper()
	commands := r.section(t, c.Section)
	i := slices.IndexFunc(commands, func(c readme.Command) bool { return strings.Contains(c.Text, "ping ") })
	if i < 0 {
		t.Fatalf("the README captures in %q, and nothing pings", c.Section)
	}
	ctx, cancel := context.WithCancel(t.Context())
	pings := exec.CommandContext(ctx, "sh", "-c", r.script("while true; do "+commands[i].Text+"; done"))
	pings.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pings.Cancel = func() error { return syscall.Kill(-pings.Process.Pid, syscall.SIGKILL) }
	if err := pings.Start(); err != nil {
		t.Fatal(err)
	}
	out := r.run(t, c)
	cancel()
	_ = pings.Wait() // It was killed.
	packets := 0
	for line := range strings.Lines(out) {
		if !strings.Contains(line, " > ") { // What tcpdump says of itself.
			continue
		}
		packets++
		if !strings.Contains(line, ".51820 > ") || !strings.Contains(line, ".51820: UDP, length ") {
			t.Errorf("not WireGuard's: %s", line)
		}
	}
	if packets == 0 {
		t.Error("nothing was captured")
	}
}

// wantAnnotations expects the five annotations of every node, and no others of warren's.
func (r *reader) wantAnnotations(t *testing.T, out string) {
	t.Helper()
	var want, got []string
	for _, n := range r.Nodes() {
		object := n.Object(t)
		var addrs []string
		for _, a := range n.Addrs() {
			addrs = append(addrs, a.String())
		}
		want = append(want,
			"warren.mesh/endpoint: "+object.Annotations["warren.mesh/endpoint"],
			"warren.mesh/node-ips: "+strings.Join(addrs, ","),
			"warren.mesh/pod-cidrs: "+strings.Join(object.Spec.PodCIDRs, ","),
			"warren.mesh/proof: "+object.Annotations["warren.mesh/proof"],
			"warren.mesh/public-key: "+object.Annotations["warren.mesh/public-key"])
	}
	for line := range strings.Lines(out) {
		got = append(got, strings.ReplaceAll(strings.TrimSpace(line), "'", ""))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
