package main

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/bundle"
	"warren.mesh/mesh/view"
)

// A report has what the daemon says, and what could not be read; not the private key, in whatever form.
func TestBugReport(t *testing.T) {
	runDir := telling(t, wellReport(mesh.PeerConnected))
	key, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	secret := key.Reveal()
	keyFile := filepath.Join(runDir, "private.key")
	if err := os.WriteFile(keyFile, []byte(base64.StdEncoding.EncodeToString(secret[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := execute(t, "bugreport", "--run-dir", runDir, "--key-file", keyFile, "--cni-conf-dir", t.TempDir())
	files, err := bundle.Read([]byte(out))
	if err != nil || code != view.ExitWell {
		t.Fatalf("exit status %d, %v", code, err)
	}
	all := out
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
		all += f.Name + string(f.Content)
	}
	for _, want := range []string{"doctor.json", "errors.txt", "pods.json", "version.txt"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %q", want, names)
		}
	}
	for _, form := range []string{
		string(secret[:]), base64.StdEncoding.EncodeToString(secret[:]), hex.EncodeToString(secret[:]),
		strings.ToUpper(hex.EncodeToString(secret[:])),
	} {
		if strings.Contains(all, form) {
			t.Error("the private key is in it")
		}
	}
	if !strings.Contains(all, `"node": "node-b"`) {
		t.Error("the peer is not in it")
	}
	out, _ = execute(t, "bugreport", "--redact", "--run-dir", runDir, "--key-file", keyFile)
	files, err = bundle.Read([]byte(out))
	for _, f := range files {
		if strings.Contains(string(f.Content), "node-b") {
			t.Errorf("%s has a name", f.Name)
		}
	}
	if err != nil || len(files) < len(names)-1 {
		t.Errorf("%d files, %v", len(files), err)
	}
}
