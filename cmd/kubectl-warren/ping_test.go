package main

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// pinging answers `warren ping`, with this path MTU, and notes who was asked what.
func pinging(t *testing.T, pathMTU int) (f *fakeAPI, asked func() []string) {
	t.Helper()
	f = newFakeAPI(t, 5)
	var mu sync.Mutex
	var all []string
	f.answer = func(pod string, command []string) []byte {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, pod+": "+strings.Join(command, " "))
		m := status.Measurement{PathMTU: pathMTU}.With(time.Millisecond, true)
		text, err := json.Marshal(status.PingReport{
			APIVersion: status.APIVersion, Kind: status.PingKind, Source: status.SourceDaemon, ObservedAt: time.Now(),
			Node: pod, MTU: 1420, Peers: []status.Ping{{Node: "node-3", Measurement: m}},
		})
		if err != nil {
			t.Error(err)
		}
		return text
	}
	return f, func() []string {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(all)
		return all
	}
}

func TestPing(t *testing.T) {
	for name, tt := range map[string]struct {
		args    []string
		pathMTU int
		code    int
		asked   []string
		want    string
	}{
		"a node": {[]string{"node-1"}, 1420, view.ExitWell, []string{
			"warren-node-0: warren ping --count 4 node-1 -o json",
			"warren-node-2: warren ping --count 4 node-1 -o json",
			"warren-node-4: warren ping --count 4 node-1 -o json",
		}, "node-0 node-3 1.0ms 0% 1420"},
		"all, from one": {
			[]string{"--all", "--from", "node-4", "--count", "7"}, 1420, view.ExitWell,
			[]string{"warren-node-4: warren ping --count 7 --all -o json"}, "",
		},
		"a black hole": {
			[]string{"node-3", "--from", "node-4"}, 1300, view.ExitFinding, nil, "set --mtu (WARREN_MTU) to 1300",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, asked := pinging(t, tt.pathMTU)
			out, code, err := execute(t, "", append([]string{"ping", "--kubeconfig", f.start(t)}, tt.args...)...)
			if err != nil || code != tt.code || !strings.Contains(squeeze(out), tt.want) {
				t.Errorf("exit status %d, %v, want %q in\n%s", code, err, tt.want, out)
			}
			if got := asked(); tt.asked != nil && !slices.Equal(got, tt.asked) {
				t.Errorf("asked %q, want %q", got, tt.asked)
			}
		})
	}
}

func TestPingUsage(t *testing.T) {
	f, _ := pinging(t, 1420)
	kubeconfig := f.start(t)
	for _, args := range [][]string{
		{}, {"node-1", "--all"}, {"none"}, {"node-1", "--from", "node-1"}, {"node-1", "--count", "0"},
	} {
		_, code, err := execute(t, "", append([]string{"ping", "--kubeconfig", kubeconfig}, args...)...)
		if code != view.ExitUsage || err == nil {
			t.Errorf("%q: exit status %d, %v", args, code, err)
		}
	}
}

// Whatever the exit status, what is written for programs parses, and says why there is nothing.
func TestPingDocumentsParse(t *testing.T) {
	for name, tt := range map[string]struct {
		forbidden string
		gone      bool
		code      int
		want      string
	}{
		"well":                   {"", false, view.ExitWell, `"ok"`},
		"no right to exec":       {"pods/exec", false, view.ExitUnknown, "pods/exec"},
		"no right to list Nodes": {"nodes", false, view.ExitUnknown, "list nodes: no right to read it"},
		"no API server":          {"", true, view.ExitUnknown, "connection refused"},
	} {
		f, _ := pinging(t, 1420)
		f.forbidden[tt.forbidden] = true
		kubeconfig := f.start(t)
		if tt.gone {
			kubeconfig = unserved(t)
		}
		out, code, err := execute(t, "", "ping", "node-1", "--kubeconfig", kubeconfig, "-o", "json")
		var d view.PingsDocument
		if jsonErr := json.Unmarshal([]byte(out), &d); code != tt.code || jsonErr != nil || d.Kind != view.PingsKind ||
			view.Exit(d.Checks, false) != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit status %d, want %d, %v, %v:\n%s", name, code, tt.code, err, jsonErr, out)
		}
	}
}
