package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
	"warren.mesh/test/readme"
)

// Helm installs the chart as the README says, changes it and goes back while pods talk, and nothing stays of it.
func TestPrivilegedLongHelm(t *testing.T) {
	meshtest.Privileged(t)
	c := cluster.Start(t, cluster.Options{})
	c.LinkHelm(t)
	for _, home := range []string{"HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"} {
		t.Setenv(home, t.TempDir())
	}
	before := allTraces(t, c)
	pushReadmeImage(t, c)
	r := newReader(t, c)
	install := r.helmInstall(t)
	r.run(t, install)
	c.WaitReady(t)
	wantImage(t, c, readmeImage)
	s := &scene{Cluster: c, web: c.Spread(t, cluster.Workload{Name: "web", Args: []string{"netexec"}, Port: webPort})}
	s.pods(t)

	s.reconfigure(t, r)
	removeWorkloads(t, c)
	r.uninstall(t, r.helmUninstall(t), before)
	if left := c.Kubectl(t, "", "get", "secrets", "--all-namespaces", "--output=name",
		"--selector=owner=helm"); left != "" {
		t.Errorf("releases are left:\n%s", left)
	}
}

// reconfigure sets another MTU and rolls it back. Helm has kept the ConfigMap of before, which is in no manifest of the
// release's latest revision.
func (s *scene) reconfigure(t *testing.T, r *reader) {
	hosts := adopt(t, s.Cluster, cluster.Workload{Name: "load", Args: []string{"pause"}})
	install := r.helmInstall(t).Text
	for _, step := range []struct{ command, mtu string }{
		{strings.Replace(install, "helm install", "helm upgrade", 1) + " --set mtu=1380", "1380"},
		{"helm rollback warren --namespace kube-system", "1420"},
	} {
		flows := load(t, s.Cluster, hosts)
		t.Log(r.run(t, readme.Command{Text: step.command}))
		s.WaitRollout(t, "kube-system", "daemonset/warren")
		for _, n := range s.Nodes() {
			lab.Wait(t, time.Minute, n.Name+" to have the MTU "+step.mtu, func() error {
				if got := strings.TrimSpace(n.MustExec(t, "cat", "/sys/class/net/warren0/mtu")); got != step.mtu {
					return fmt.Errorf("it is %s", got)
				}
				return nil
			})
		}
		report(t, flows)
		s.pods(t)
	}
}

// helmInstall is the README's command.
func (r *reader) helmInstall(t *testing.T) readme.Command {
	t.Helper()
	for _, c := range r.section(t, "Install") {
		if strings.HasPrefix(c.Text, "helm install ") {
			return c
		}
	}
	t.Fatal("the README does not install by Helm")
	return readme.Command{}
}

// helmUninstall are the README's commands, with Helm's in the place that the README says.
func (r *reader) helmUninstall(t *testing.T) (commands []readme.Command) {
	t.Helper()
	replaced := 0
	for _, c := range r.section(t, "Uninstall") {
		for _, text := range r.document.Inline {
			if strings.HasPrefix(text, "helm uninstall ") && strings.HasPrefix(c.Text, "kubectl delete -k ") {
				c.Text = text
				replaced++
			}
		}
		commands = append(commands, c)
	}
	if replaced != 1 {
		t.Fatalf("the README's removal has %d commands of Helm's, want 1", replaced)
	}
	return commands
}
