package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"warren.mesh/mesh"
	"warren.mesh/mesh/kube/nodeobject"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

func TestStatus(t *testing.T) {
	f := newFakeAPI(t, 5)
	out, code, err := execute(t, "", "status", "--kubeconfig", f.start(t))
	if err != nil || code != view.ExitWell {
		t.Errorf("exit status %d, %v", code, err)
	}
	for _, line := range []string{
		"warren v1.4.0  5 nodes  IPv4  Kubernetes v1.37.2",
		" ok  announced      5/5",
		" ok  daemons ready  5/5",
		" ok  reachable      1/1",
		" ok  guard          0 dropped on 3 read",
		" 2 nodes not read (--all).",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("lacks %q:\n%s", line, out)
		}
	}
	if got := f.execs.Load(); got != 3 {
		t.Errorf("%d execs", got)
	}
}

// What is wrong with one node is found, and named.
func TestStatusFindings(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*fakeAPI)
		want   string
	}{
		"not announced": {func(f *fakeAPI) { f.nodes[1].Annotations = nil }, " FAIL  announced      4/5  node-1"},
		"no daemon":     {func(f *fakeAPI) { f.pods = f.pods[1:] }, " FAIL  daemons ready  4/5  node-0: no daemon"},
		"daemon not ready": {func(f *fakeAPI) {
			f.pods[1].Status.Conditions[0].Status = corev1.ConditionFalse
			f.nodes[1].Status.Conditions[0].Status = corev1.ConditionFalse
		}, "4/5  node-1: Node NotReady"},
		"init container crashes": {func(f *fakeAPI) {
			s := &f.pods[1].Status
			s.Phase, s.Conditions[0].Status = corev1.PodPending, corev1.ConditionFalse
			s.InitContainerStatuses = waiting("install-cni", "CrashLoopBackOff")
			s.ContainerStatuses = append(waiting("warren", "PodInitializing"),
				waiting("wireguard", "PodInitializing")...)
		}, "4/5  node-1: container install-cni: CrashLoopBackOff"},
		"init container has ended": {func(f *fakeAPI) {
			s := &f.pods[1].Status
			s.Phase, s.Conditions[0].Status = corev1.PodPending, corev1.ConditionFalse
			s.InitContainerStatuses = []corev1.ContainerStatus{{Name: "install-cni"}}
			s.InitContainerStatuses[0].State.Terminated = &corev1.ContainerStateTerminated{
				Reason: "Error", ExitCode: 1,
			}
			s.ContainerStatuses = waiting("warren", "PodInitializing")
		}, "4/5  node-1: container install-cni: Error, exit status 1"},
		"no pods of a DaemonSet": {func(f *fakeAPI) { f.pods = nil }, "0/5  node-0: no daemon"},
		"conflict": {func(f *fakeAPI) {
			name := nodeobject.Annotation("pod-cidrs")
			f.nodes[4].Annotations[name] = f.nodes[3].Annotations[name]
		}, "node-4: pod-cidrs: "},
		// The eldest decides conflicts, and a daemon that cannot be in the mesh itself tells nothing of others.
		"conflict, and the eldest has no address": {func(f *fakeAPI) {
			name := nodeobject.Annotation("pod-cidrs")
			f.nodes[4].Annotations[name] = f.nodes[3].Annotations[name]
			f.nodes[0].Status.Addresses = nil
		}, "FAIL nodes 2 node-0: node-ips: waiting for a node address: status.addresses of node node-0 has no usable " +
			"InternalIP; node-4: pod-cidrs: "},
		"conflict, and the eldest has two ranges": {func(f *fakeAPI) {
			name := nodeobject.Annotation("pod-cidrs")
			f.nodes[4].Annotations[name] = f.nodes[3].Annotations[name]
			f.nodes[0].Spec.PodCIDRs = append(f.nodes[0].Spec.PodCIDRs, "10.9.0.0/24")
		}, "FAIL nodes 2 node-0: pod-cidrs: pod CIDR of node node-0: 10.9.0.0/24 is the second of its address " +
			"family, one is allowed; node-4: pod-cidrs: "},
		"unanswered": {func(f *fakeAPI) {
			f.answer = func(pod string, command []string) []byte {
				return []byte(strings.ReplaceAll(string(wellAnswer(t, pod)), "connected", "unanswered"))
			}
		}, " FAIL  reachable      0/1  node-peer unanswered by node-0, node-1, node-2"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeAPI(t, 5)
			tt.change(f)
			out, code, err := execute(t, "", "status", "--kubeconfig", f.start(t))
			if squeezed := squeeze(out); err != nil || code != view.ExitFinding ||
				!strings.Contains(squeezed, squeeze(tt.want)) {
				t.Errorf("exit status %d, %v, want %q in\n%s", code, err, tt.want, out)
			}
		})
	}
}

func waiting(name, reason string) []corev1.ContainerStatus {
	c := corev1.ContainerStatus{Name: name}
	c.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason}
	return []corev1.ContainerStatus{c}
}

// Without daemons it is said why none can be asked: no right to list pods, or another namespace.
func TestNoDaemons(t *testing.T) {
	for want, change := range map[string]func(*fakeAPI){
		"list pods: no right to read it": func(f *fakeAPI) { f.forbidden["pods"] = true },
		"no DaemonSet of warren's in the namespace kube-system: say with -n where": func(f *fakeAPI) {
			f.pods, f.absent = nil, true
		},
	} {
		f := newFakeAPI(t, 3)
		change(f)
		kubeconfig := f.start(t)
		for _, args := range [][]string{
			{"doctor", "--short", "--kubeconfig", kubeconfig}, {"status", "--kubeconfig", kubeconfig},
			{"status", "--from", "node-1", "--kubeconfig", kubeconfig},
		} {
			out, code, err := execute(t, "", args...)
			if err != nil || code != view.ExitUnknown || !strings.Contains(squeeze(out), want) ||
				strings.Contains(out, "no daemon runs there") {
				t.Errorf("%q: exit status %d, %v, want %q in\n%s", args, code, err, want, out)
			}
		}
	}
	// Who may read pods alone learns that there are none.
	f := newFakeAPI(t, 3)
	f.pods, f.absent, f.forbidden["daemonsets"] = nil, true, true
	out, code, err := execute(t, "", "status", "--kubeconfig", f.start(t))
	if err != nil || code != view.ExitFinding || !strings.Contains(out, "node-0: no daemon") {
		t.Errorf("without rights on DaemonSets: exit status %d, %v\n%s", code, err, out)
	}
}

// TestSilentNodeHidesNothing: what the others found stays beside the one that does not answer, with its remedy.
func TestSilentNodeHidesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		result, want string
		code         int
	}{
		"warning": {"warn", "unknown W11 ", view.ExitUnknown},
		"fault":   {"FAIL", "FAIL W11 ", view.ExitFinding},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeAPI(t, 3)
			f.answer = func(pod string, _ []string) []byte {
				const w11 = `"id":"W11","name":"","result":`
				switch pod {
				case "warren-node-1":
					found := fmt.Sprintf(`%s%q,"detail":"run firewall-cmd X"`, w11, tt.result)
					return []byte(strings.ReplaceAll(string(wellAnswer(t, pod)), w11+`"ok"`, found))
				case "warren-node-2":
					return []byte("no JSON")
				}
				return wellAnswer(t, pod)
			}
			out, code, err := execute(t, "", "doctor", "--short", "--kubeconfig", f.start(t))
			if err != nil || code != tt.code {
				t.Errorf("exit status %d, %v", code, err)
			}
			for _, want := range []string{
				tt.want, "node-1: run firewall-cmd X; no answer from node-2", "W11: on that node run the command",
			} {
				if !strings.Contains(squeeze(out), want) {
					t.Errorf("lacks %q:\n%s", want, out)
				}
			}
		})
	}
}

// A peer without traffic is well only if it has answered a probe and is not silent. A node of a version that does not
// ask is read too.
func TestStatusOfIdlePeers(t *testing.T) {
	none, one := &status.Measurement{Sent: 1}, &status.Measurement{Sent: 1, Answered: 1}
	none20 := &status.Measurement{Sent: 20}
	for name, tt := range map[string]struct {
		state        mesh.PeerState // idle if empty
		silent       bool
		asked, probe *status.Measurement
		unasked      string
		unknown      string
		code         int
		want         string
	}{
		"answered":                {asked: one, probe: none, want: " ok reachable 1/1"},
		"answered in background":  {probe: &status.Measurement{Sent: 20, Answered: 19}, want: " ok reachable 1/1"},
		"one lost":                {asked: none, code: view.ExitUnknown, want: " unknown reachable 0/1 idle, and "},
		"not answered any more":   {asked: none, probe: one, code: view.ExitUnknown, want: " unknown reachable 0/1 "},
		"nothing known":           {code: view.ExitUnknown, want: "tells whether they answer: node-peer "},
		"could not be asked":      {unasked: "no socket", code: view.ExitUnknown, want: ": node-peer (node-0: no"},
		"none of 20":              {probe: none20, silent: true, code: 1, want: "node-peer unanswered by"},
		"silent of late":          {probe: one, asked: none, silent: true, code: 1, want: "node-peer unanswered by"},
		"its daemon is down":      {probe: none20, code: view.ExitUnknown, want: " unknown reachable 0/1 "},
		"read before the answer":  {state: mesh.PeerUnanswered, asked: one, want: " ok reachable 1/1"},
		"and without one":         {state: mesh.PeerUnanswered, asked: none, code: 1, want: " FAIL reachable 0/1 "},
		"an earlier version":      {unknown: "--ask", probe: one, want: " ok reachable 1/1"},
		"an earlier, and nothing": {unknown: "--ask", code: view.ExitUnknown, want: " unknown reachable 0/1 "},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeAPI(t, 1)
			f.unknown = tt.unknown
			f.answer = func(pod string, command []string) []byte {
				if asks := slices.Contains(command, "--ask"); asks != (tt.unknown == "") {
					t.Errorf("%q", command)
				}
				var d view.NodeDocument
				_ = json.Unmarshal(wellAnswer(t, pod), &d)
				d.Peers[0].State, d.Peers[0].Asked = cmp.Or(tt.state, mesh.PeerIdle), tt.asked
				d.Peers[0].Probe, d.Peers[0].Silent, d.Unasked = tt.probe, tt.silent, tt.unasked
				text, _ := json.Marshal(d)
				return text
			}
			out, code, err := execute(t, "", "status", "--kubeconfig", f.start(t))
			if err != nil || code != tt.code || !strings.Contains(squeeze(out), tt.want) {
				t.Errorf("exit status %d, %v, want %q in\n%s", code, err, tt.want, out)
			}
		})
	}
}

func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }

// Who may not exec learns what the API server tells, and that the rest is unknown.
func TestRights(t *testing.T) {
	for name, tt := range map[string]struct {
		forbidden string
		unknown   []string
	}{
		"exec":  {"pods/exec", []string{"reachable", "guard"}},
		"pods":  {"pods", []string{"daemons ready", "reachable", "guard"}},
		"nodes": {"nodes", []string{"announced", "daemons ready", "nodes", "reachable", "guard"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeAPI(t, 3)
			f.forbidden[tt.forbidden] = true
			kubeconfig := f.start(t)
			out, code, err := execute(t, "", "status", "--kubeconfig", kubeconfig, "-o", "json")
			var d view.ClusterDocument
			if jsonErr := json.Unmarshal([]byte(out), &d); err != nil || code != view.ExitUnknown || jsonErr != nil {
				t.Fatalf("exit status %d, %v, %v\n%s", code, err, jsonErr, out)
			}
			var unknown []string
			for _, c := range d.Checks {
				if c.Result == view.Unknown {
					unknown = append(unknown, c.Name)
				}
			}
			if fmt.Sprint(unknown) != fmt.Sprint(tt.unknown) {
				t.Errorf("unknown are %q, want %q", unknown, tt.unknown)
			}
			_, code, err = execute(t, "", "doctor", "--kubeconfig", kubeconfig)
			if code != view.ExitUnknown || err != nil {
				t.Errorf("doctor: exit status %d, %v", code, err)
			}
		})
	}
}

// A pod that hangs costs the time-out, and no other's answer.
func TestHungPod(t *testing.T) {
	f := newFakeAPI(t, 3)
	f.answer = func(pod string, command []string) []byte {
		if pod == "warren-node-1" {
			return nil
		}
		return wellAnswer(t, pod)
	}
	out, code, err := execute(t, "", "peers", "--kubeconfig", f.start(t), "--timeout", "2s", "-o", "json")
	var d view.ClusterDocument
	if jsonErr := json.Unmarshal([]byte(out), &d); err != nil || code != view.ExitUnknown || jsonErr != nil {
		t.Fatalf("exit status %d, %v, %v", code, err, jsonErr)
	}
	if len(d.Reports) != 2 || !strings.Contains(d.Silent["node-1"], "no answer within 2s") {
		t.Errorf("%d reports; silent are %v", len(d.Reports), d.Silent)
	}
}

// A daemon of another API version is not taken for one of this version.
func TestOtherVersion(t *testing.T) {
	f := newFakeAPI(t, 1)
	f.answer = func(pod string, command []string) []byte { return []byte(`{"apiVersion": "warren.mesh/v2"}`) }
	out, code, _ := execute(t, "", "status", "--kubeconfig", f.start(t))
	if code != view.ExitUnknown || !strings.Contains(out, `"warren.mesh/v2"`) {
		t.Errorf("exit status %d\n%s", code, out)
	}
}

func TestFrom(t *testing.T) {
	f := newFakeAPI(t, 60)
	kubeconfig := f.start(t)
	peers := func(args ...string) (string, int, error) {
		f.execs.Store(0)
		return execute(t, "", append([]string{"peers", "--kubeconfig", kubeconfig}, args...)...)
	}
	if out, code, err := peers("--from", "node-7"); err != nil || code != view.ExitWell || f.execs.Load() != 1 ||
		!strings.HasPrefix(out, "NODE ") {
		t.Errorf("exit status %d, %v, %d execs\n%s", code, err, f.execs.Load(), out)
	}
	if _, code, err := peers("--from", "node-7,node-99"); err == nil || code != view.ExitUsage {
		t.Errorf("an absent node: exit status %d, %v", code, err)
	}
	if _, code, err := peers("--all"); err != nil || code != view.ExitWell || f.execs.Load() != 60 {
		t.Errorf("all: exit status %d, %v, %d execs", code, err, f.execs.Load())
	}
	var names []string
	for _, n := range f.nodes {
		names = append(names, n.Name)
	}
	if _, _, err := peers("--from", strings.Join(names, ",")); err == nil || f.execs.Load() != 0 {
		t.Errorf("60 of --from: %v, %d execs", err, f.execs.Load())
	}
}

func TestDoctor(t *testing.T) {
	f := newFakeAPI(t, 3)
	f.bindings = f.bindings[1:]
	f.nodes[2].Spec.PodCIDRs = []string{"10.96.3.0/24"}
	out, code, err := execute(t, "", "doctor", "--short", "--kubeconfig", f.start(t))
	if err != nil || code != view.ExitFinding {
		t.Errorf("exit status %d, %v", code, err)
	}
	for _, want := range []string{
		"FAIL W03 ", "denies: warren-annotations", "FAIL W13 ",
		"10.96.3.0/24 overlaps with the Service range 10.96.0.0/12",
		"W13: ", "docs/runbooks.md#W03",
	} {
		if !strings.Contains(squeeze(out), squeeze(want)) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, " W07 ") || strings.Contains(out, " W02 ") {
		t.Errorf("--short has what is well:\n%s", out)
	}
}

// Cluster CIDRs that contain a Service range or a node are found, though no pod CIDR does; those of a daemon that does
// not tell them are unknown.
func TestDoctorClusterCIDRs(t *testing.T) {
	const title = "W13 cluster CIDRs hold all pod CIDRs, and nothing else "
	for told, want := range map[string]string{
		`"clusterCIDRs":["10.0.0.0/8"],`: "FAIL " + title + "cluster CIDR of node-0, node-1, node-2: 10.0.0.0/8 " +
			"overlaps with the Service range 10.96.0.0/12 W13:",
		`"clusterCIDRs":["10.128.0.0/9","192.168.0.0/16"],`: "192.168.0.0/16 contains node node-0's address ",
		`"clusterCIDRs":["10.128.0.0/9"],`:                  "All checks are well.",
		`"clusterCIDRs":[],`:                                "All checks are well.",
		"":                                                  "unknown " + title + "no daemon has told its",
	} {
		f := newFakeAPI(t, 3)
		f.answer = func(pod string, _ []string) []byte {
			const well = `"clusterCIDRs":["10.128.0.0/9"],`
			text := string(wellAnswer(t, strings.TrimPrefix(pod, "warren-")))
			if !strings.Contains(text, well) {
				t.Errorf("%s lacks %s", text, well)
			}
			return []byte(strings.Replace(text, well, told, 1))
		}
		out, _, err := execute(t, "", "doctor", "--short", "--kubeconfig", f.start(t))
		if err != nil || !strings.Contains(squeeze(out), want) {
			t.Errorf("%s: %v, want %q in\n%s", told, err, want, out)
		}
	}
}

// What a daemon that was asked says counts, although the kubelet has not found out yet.
func TestDaemonSaysMoreThanItsPod(t *testing.T) {
	waiting := status.Snapshot{Node: "node-1"}.Report(status.StepAPI, fmt.Errorf("%w for it", mesh.ErrWaiting), began)
	for want, s := range map[string]*status.Snapshot{
		"4/5 node-1: api server: waiting for it": &waiting, "4/5 node-1: the daemon does not answer": nil,
	} {
		f := newFakeAPI(t, 5)
		f.answer = func(pod string, command []string) []byte {
			if pod != "warren-node-1" {
				return wellAnswer(t, pod)
			}
			text, _ := json.Marshal(status.Report{APIVersion: status.APIVersion, Kind: status.ReportKind, Status: s})
			return text
		}
		out, code, err := execute(t, "", "status", "--kubeconfig", f.start(t))
		if err != nil || code != view.ExitFinding || !strings.Contains(squeeze(out), want) {
			t.Errorf("exit status %d, %v, want %q in\n%s", code, err, want, out)
		}
	}
}

// A node whose daemon is not ready is asked, too: what it finds no other knows. One whose kubelet is silent is not.
func TestDoctorAsksWhoAils(t *testing.T) {
	f := newFakeAPI(t, 8)
	for _, i := range []int{5, 6} {
		f.pods[i].Status.Conditions[0].Status = corev1.ConditionFalse
	}
	f.nodes[6].Status.Conditions[0].Status = corev1.ConditionFalse
	f.answer = func(pod string, _ []string) []byte {
		text := string(wellAnswer(t, pod))
		if pod == "warren-node-5" {
			const w10 = `"id":"W10","name":"","result":`
			text = strings.ReplaceAll(text, w10+`"ok"`, w10+`"FAIL"`)
		}
		return []byte(text)
	}
	kubeconfig := f.start(t)
	out, code, err := execute(t, "", "doctor", "--short", "--kubeconfig", kubeconfig)
	if err != nil || code != view.ExitFinding || f.execs.Load() != 4 || !strings.Contains(squeeze(out), "FAIL W10 ") {
		t.Errorf("exit status %d, %v, %d execs\n%s", code, err, f.execs.Load(), out)
	}
	f.execs.Store(0)
	if _, _, err := execute(t, "", "status", "--kubeconfig", kubeconfig); err != nil || f.execs.Load() != 3 {
		t.Errorf("status: %v, %d execs", err, f.execs.Load())
	}
}

// doctor --prove has the nodes prove it, and gives them the time; without it they ask each peer once.
func TestDoctorProves(t *testing.T) {
	f := newFakeAPI(t, 1)
	var asked []string
	f.answer = func(pod string, command []string) []byte {
		asked = command
		return wellAnswer(t, pod)
	}
	kubeconfig := f.start(t)
	for _, tt := range []struct {
		args   []string
		proves bool
	}{{nil, false}, {[]string{"--prove"}, true}} {
		out, code, err := execute(t, "", append([]string{"doctor", "--kubeconfig", kubeconfig}, tt.args...)...)
		if err != nil || code != view.ExitWell || slices.Contains(asked, "--prove") != tt.proves ||
			slices.Contains(asked, "--ask") == tt.proves {
			t.Errorf("%q: exit status %d, %v, asked %q\n%s", tt.args, code, err, asked, out)
		}
	}
}

// doctor --wait asks until all is well, and says so; without --wait, once.
func TestDoctorWaits(t *testing.T) {
	f := newFakeAPI(t, 1)
	f.answer = func(pod string, _ []string) []byte {
		text := string(wellAnswer(t, pod))
		if f.execs.Load() == 1 {
			text = strings.ReplaceAll(text, `"ok"`, `"FAIL"`)
		}
		return []byte(text)
	}
	kubeconfig := f.start(t)
	if out, code, err := execute(t, "", "doctor", "--short", "--kubeconfig", kubeconfig); err != nil ||
		code != view.ExitFinding || f.execs.Load() != 1 {
		t.Errorf("exit status %d, %v, %d execs\n%s", code, err, f.execs.Load(), out)
	}
	f.execs.Store(0)
	out, code, err := execute(t, "", "doctor", "--short", "--wait", "1h", "--kubeconfig", kubeconfig)
	if err != nil || code != view.ExitWell || f.execs.Load() != 2 || !strings.Contains(out, "All checks are well.") {
		t.Errorf("with --wait: exit status %d, %v, %d execs\n%s", code, err, f.execs.Load(), out)
	}
}
