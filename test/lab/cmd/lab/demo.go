package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// demoName is what the demonstration's lab is called, and what the other commands mean when no name is given.
const demoName = "demo"

func newDemo() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Three nodes, what they say, and what travels between them",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := &terminal{ctx: cmd.Context(), name: demoName, out: cmd.OutOrStdout()}
			return t.run(func(t *terminal) {
				demonstrate(t,
					lab.Options{Name: demoName, Family: lab.Dual, Keep: keep})
			})
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the lab running")
	return cmd
}

func demonstrate(t *terminal, o lab.Options) {
	t.title("A cluster: etcd, kube-apiserver, the controller of pod CIDRs, three nodes")
	l := lab.Start(t, o)
	seen := l.CapturePlaintext(t)
	t.Logf("starting warren on every node")
	l.StartMesh(t)
	t.Logf("%d nodes are ready", len(l.Nodes()))

	showAnnouncements(t, l)
	showNode(t, l.Node(1))
	pods := addPods(t, l)
	showPairs(t, pods)
	showHosts(t, l, pods)
	showPolicy(t, l)
	showUnderlay(t, l, pods)

	seen.WantNone(t)
	t.title("From the first daemon's start until now, the underlay has seen")
	t.show(seen.Report().String())
	if o.Keep && !t.Failed() {
		showWayIn(t, l)
	}
}

// showAnnouncements prints what every node says of itself, as the API server has it.
func showAnnouncements(t *terminal, l *lab.Lab) {
	t.title("kubectl get nodes: what every node says of itself")
	columns := "NODE:.metadata.name"
	for _, field := range []string{"public-key", "proof", "endpoint", "pod-cidrs", "node-ips"} {
		columns += "," + strings.ToUpper(field) + `:.metadata.annotations.warren\.mesh/` + field
	}
	t.show(l.Kubectl(t, "", "get", "nodes", "-o", "custom-columns="+columns))
}

// showNode prints what warren has made of it on one node.
func showNode(t *terminal, n *lab.Node) {
	for _, command := range [][]string{
		{"wg", "show", "warren0"},
		{"ip", "rule"},
		{"ip", "-6", "rule"},
		{"ip", "route"},
		{"ip", "route", "show", "table", "8787"},
		{"ip", "route", "show", "table", "8788"},
		{"ip", "-6", "route"},
		{"ip", "-6", "route", "show", "table", "8787"},
		{"ip", "-6", "route", "show", "table", "8788"},
	} {
		t.title("%s: %s", n.Name, strings.Join(command, " "))
		t.show(n.MustExec(t, command[0], command[1:]...))
	}
}

func addPods(t *terminal, l *lab.Lab) []*lab.Pod {
	var pods []*lab.Pod
	for _, n := range l.Nodes() {
		pods = append(pods, n.AddPod(t, "web"))
	}
	return pods
}

// showPairs has every pod talk to every other.
func showPairs(t *terminal, pods []*lab.Pod) {
	t.title("Every pod to every other: ping, and who an HTTP server sees")
	for _, from := range pods {
		for _, to := range pods {
			if from == to {
				continue
			}
			for _, addr := range to.Addrs() {
				rtt, err := from.Ping(addr)
				t.check(err, "%s → %s ping %v in %v", from.Name, to.Name, addr, rtt.Round(time.Microsecond))
				reach(t, from.Host, to.Host, addr, from.Addr(addr))
			}
		}
	}
}

// showHosts has hosts and pods of different nodes talk.
func showHosts(t *terminal, l *lab.Lab, pods []*lab.Pod) {
	t.title("Hosts to remote pods, pods to remote hosts: nobody's address is translated")
	for i, n := range l.Nodes() {
		pod := pods[(i+1)%len(pods)]
		for _, addr := range pod.Addrs() {
			reach(t, n.Host, pod.Host, addr, n.Gateway(t, addr))
		}
		for _, addr := range n.Addrs() {
			reach(t, pod.Host, n.Host, addr, pod.Addr(addr))
		}
	}
}

// reach asks the HTTP server at addr who is asking, and expects source.
func reach(t *terminal, from, to *host.Host, addr, source netip.Addr) {
	seen, err := from.Get(netip.AddrPortFrom(addr, traffic.EchoPort))
	if err == nil && seen.Addr() != source {
		err = fmt.Errorf("want source address %v", source)
	}
	t.check(err, "%s → %s http %v, which saw %v", from.Name, to.Name, addr, seen.Addr())
}

// watchTime is how long the underlay is watched.
const watchTime = 2 * time.Second

// showUnderlay sends 200 packets a second between all pods and nodes and shows what an eavesdropper sees.
func showUnderlay(t *terminal, l *lab.Lab, pods []*lab.Pod) {
	t.title("%v of capture on the underlay, while every pod sends 200 packets a second to every other", watchTime)
	var hosts []*host.Host
	for _, pod := range pods {
		hosts = append(hosts, pod.Host)
	}
	flows := l.FlowsAmong(t, traffic.Options{}, hosts...)
	flows.WaitEstablished(t)
	watch := l.Watch(t)
	time.Sleep(watchTime)
	report := watch.Stop()
	for _, r := range flows.Stop() {
		t.check(lost(r), "%v", r)
	}
	t.check(onlyWireGuard(report), "underlay: %v", report)
	for _, p := range report.Samples[capture.WireGuard][:min(5, len(report.Samples[capture.WireGuard]))] {
		t.Logf("%v", p)
	}
}

func lost(r traffic.Report) error {
	if r.Lost > 0 || r.Duplicated > 0 || r.Sent == 0 {
		return fmt.Errorf("want all %d packets, once", r.Sent)
	}
	return nil
}

// onlyWireGuard expects nothing on the underlay but WireGuard and what the nodes' own work needs: neighbours, API
// server.
func onlyWireGuard(r capture.Report) error {
	if r.Packets[capture.WireGuard] == 0 {
		return errors.New("no WireGuard")
	}
	for _, kind := range []capture.Kind{capture.Leak, capture.Other} {
		if n := r.Packets[kind]; n > 0 {
			return fmt.Errorf("%d packets of kind %s, the first: %v", n, kind, r.Samples[kind][0])
		}
	}
	return nil
}

// showWayIn tells how to go on by hand.
func showWayIn(t *terminal, l *lab.Lab) {
	program := filepath.Join(l.Dir, "bin", "lab")
	t.title("The lab goes on")
	t.show(fmt.Sprintf(`a shell on a node:   %[1]s exec node1 bash
a pod's ping:        %[1]s exec node1 ip netns exec web ping %[2]v
the API server:      %[1]s exec control %[3]s --kubeconfig=%[4]s get nodes
logs:                %[5]s
to end it:           make demo-down`,
		program, l.Node(2).Gateway(t, l.Node(2).Addrs()[0]), filepath.Join(l.Dir, "bin", "kubectl"),
		filepath.Join(l.Dir, "pki", "admin.kubeconfig"), filepath.Join(l.Dir, "logs")))
}
