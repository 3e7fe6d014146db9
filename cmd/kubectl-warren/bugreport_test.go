package main

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"testing"

	"warren.mesh/mesh/bundle"
	"warren.mesh/mesh/view"
)

// reporting are three nodes, of which node-1 hangs and node-2 answers with what is no archive.
func reporting(t *testing.T) (kubeconfig string) {
	t.Helper()
	f := newFakeAPI(t, 3)
	f.answer = func(pod string, command []string) []byte {
		node := strings.TrimPrefix(pod, "warren-")
		switch {
		case node == "node-1":
			return nil
		case node == "node-2" || !slices.Equal(command, []string{"warren", "bugreport"}):
			return []byte("no archive")
		}
		var b bytes.Buffer
		err := bundle.Write(&b, began, []bundle.File{
			{Name: "doctor.json", Content: wellAnswer(t, node)},
			{Name: "pods.json", Content: []byte(`[{"namespace":"shop","name":"web-0","addrs":["10.128.0.7"]}]`)},
			{Name: "../routing.txt", Content: []byte("10.128.0.7 dev warren0")},
			{Name: "nftables inet warren-policy.txt", Content: []byte(`chain i-1-4 { comment "accounts/ledger"; }`)},
		})
		if err != nil {
			t.Error(err)
		}
		return b.Bytes()
	}
	return f.start(t)
}

func report(t *testing.T, wantCode int, args ...string) map[string]string {
	t.Helper()
	out, code, err := execute(t, "", append([]string{"bugreport"}, args...)...)
	if err != nil || code != wantCode {
		t.Fatalf("exit status %d, %v", code, err)
	}
	files, err := bundle.Read([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		all[f.Name] = string(f.Content)
	}
	return all
}

// A node that hangs, and one whose answer cannot be read, are recorded; the others' files are there.
func TestBugReport(t *testing.T) {
	kubeconfig := reporting(t)
	files := report(t, view.ExitUnknown, "--kubeconfig", kubeconfig, "--timeout", "2s")
	for name, want := range map[string]string{
		"cluster.json":             `"name": "node-2"`,
		"nodes/node-0/doctor.json": `"apiVersion":"warren.mesh/v1"`,
		"nodes/node-0/routing.txt": "10.128.0.7 dev warren0",
		"nodes/node-1/failed.txt":  "no answer within 2s",
		"nodes/node-2/failed.txt":  "gzip",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s lacks %q:\n%s", name, want, files[name])
		}
	}
	files = report(t, view.ExitWell, "--kubeconfig", kubeconfig, "--from", "node-0")
	if len(files) != 5 || !strings.Contains(files["cluster.json"], `"W07"`) {
		t.Errorf("%d files; the cluster's is\n%s", len(files), files["cluster.json"])
	}
}

func TestBugReportRedacts(t *testing.T) {
	files := report(t, view.ExitWell, "--kubeconfig", reporting(t), "--from", "node-0", "--redact")
	for name, content := range files {
		for _, secret := range []string{"node-", "web-0", "shop", "ledger", "10.128.", "192.168.", "zone-0"} {
			if strings.Contains(name+content, secret) {
				t.Errorf("%s has %q", name, secret)
			}
		}
	}
	if len(files) != 5 {
		t.Errorf("%d files", len(files))
	}
}

// The image's registry and the API server's host are names too.
func TestBugReportRedactsHosts(t *testing.T) {
	f := newFakeAPI(t, 1)
	f.pods[0].Spec.Containers[0].Image = "registry.corp.example:5000/team/warren:v1.4.0@sha256:00"
	f.answer = func(string, []string) []byte { return []byte("no archive from registry.corp.example") }
	for secret, kubeconfig := range map[string]string{"corp": f.start(t), "localhost": unserved(t)} {
		for name, content := range report(t, view.ExitUnknown, "--kubeconfig", kubeconfig, "--redact") {
			if strings.Contains(content, secret) || strings.Contains(content, "team") {
				t.Errorf("%s has %q:\n%s", name, secret, content)
			}
		}
		for name, content := range report(t, view.ExitUnknown, "--kubeconfig", kubeconfig) {
			if name == "cluster.json" && !strings.Contains(content, secret) {
				t.Errorf("without --redact %s lacks %q:\n%s", name, secret, content)
			}
		}
	}
}

// An image without a registry has warren's own name, which is in every document: it is no secret.
func TestBugReportKeepsOwnWords(t *testing.T) {
	for _, image := range []string{"warren:1", "warren", "warren:5000/warren:1", "warren.mesh:5000/warren:1"} {
		f := newFakeAPI(t, 1)
		f.pods[0].Spec.Containers[0].Image = image
		f.bindings = nil
		f.answer = func(string, []string) []byte { return []byte("no archive") }
		text := report(t, view.ExitUnknown, "--kubeconfig", f.start(t), "--redact")["cluster.json"]
		if !strings.Contains(text, `"apiVersion": "warren.mesh/v1"`) || !strings.Contains(text, "denies: warren-") {
			t.Errorf("%s:\n%s", image, text)
		}
	}
}

// A report has what fits in, and says of whom the rest is and how to get it.
func TestBugReportIsBounded(t *testing.T) {
	var large bytes.Buffer
	err := bundle.Write(&large, began, []bundle.File{
		{Name: "doctor.json", Content: wellAnswer(t, "node-0")}, {Name: "large", Content: make([]byte, 70<<20)},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeAPI(t, 3)
	f.answer = func(string, []string) []byte { return large.Bytes() }
	files := report(t, view.ExitUnknown, "--kubeconfig", f.start(t))
	whole, failed := 0, 0
	for name, content := range files {
		switch path.Base(name) {
		case "large":
			whole++
		case "failed.txt":
			if node := path.Base(path.Dir(name)); strings.Contains(content, "ask for it with --from "+node+": ") {
				failed++
			}
		}
	}
	if whole != 1 || failed != 2 || len(files) != 5 {
		t.Errorf("%d reports and %d failures in %d files", whole, failed, len(files))
	}
}

// A node's files whose names cannot be read are not shown: --redact would leave them as they are.
func TestBugReportOfUnreadNames(t *testing.T) {
	for _, f := range []bundle.File{
		{Name: "doctor.json", Content: []byte("{")}, {Name: "pods.json", Content: []byte("{")},
		{Name: "doctor.json", Content: []byte(`{"apiVersion":"warren.mesh/v2","peers":[{"node":"node-7"}]}`)},
	} {
		d := view.ClusterDocument{Reports: map[string]view.NodeDocument{}}
		_, err := taken(&d, "node-0", f)
		if err == nil || len(d.Reports) > 0 {
			t.Errorf("%s: %v, %v", f.Name, err, d.Reports)
		}
	}
}
