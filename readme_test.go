package warren

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"warren.mesh/test/readme"
)

// ci is the script that CI runs on a fresh machine.
const ci = ".ci/run"

// sections are those of the README whose commands a test takes from there and runs as they are written.
var sections = map[string]string{
	"Check that it works": "TestPrivilegedManifests",
	"Inspect":             "TestPrivilegedManifests",
	"Debug":               "TestPrivilegedManifests",
	"Re-key a node":       "TestPrivilegedManifests",
	"Uninstall":           "TestPrivilegedManifests",
}

// runners says for all other commands of the README who runs them: a test, or the script that CI runs.
var runners = map[string]string{
	"make demo":         "TestPrivilegedDemo",
	"make demo KEEP=1":  ci,
	"make demo-down":    ci,
	"make test":         ci,
	"make cluster":      "TestPrivilegedKept",
	"make cluster-down": "TestPrivilegedKept",
	// TestPrivilegedManifests builds the plugin from the same folder.
	"go build -o /usr/local/bin/ ./cmd/kubectl-warren": "TestPrivilegedManifests",
	"kubectl warren doctor --wait 5m":                  "TestDoctorWaits",
	"kubectl apply -k site/":                           "TestPrivilegedManifests",
	// The command itself; TestPrivilegedManifests builds the image from the same Dockerfile.
	"make image IMAGE=registry.example/warren:1": "TestMakeImage",
	"make release":                      "TestPrivilegedLongRelease",
	"wg show warren0 latest-handshakes": "TestPrivilegedManifests",
	// On docs/network-policy.md, whose commands the test takes from there.
	"nft list table inet warren-policy": "TestPrivilegedExamples",
	"warren daemon":                     "TestPrivilegedManifests",
	"warren wireguard":                  "TestPrivilegedManifests",
	"warren install-cni":                "TestPrivilegedManifests",
	"warren uninstall":                  "TestPrivilegedLongUninstall",
	"kubectl warren plan -f nodes.yaml": "TestPlan",
	"kubectl warren status":             "TestStatus",
	"kubectl warren peers":              "TestFrom",
	"kubectl warren doctor":             "TestDoctor",
	"kubectl warren ping NODE":          "TestPing",
	"warren ping":                       "TestPrivilegedPing",
	"warren explain":                    "TestPrivilegedExplain",
	"warren explain FROM TO PORT":       "TestPrivilegedExplain",
	"warren version":                    "TestVersion",
	"warren status":                     "TestPrivilegedDaemonsEndAndReturn",
	"warren peers":                      "TestPrivilegedDaemonsEndAndReturn",
	"warren doctor":                     "TestPrivilegedDaemonsEndAndReturn",

	"kubectl warren explain shop/web-0 shop/db-0 5432": "TestExplain",
	"kubectl warren graph --all -o svg > mesh.svg":     "TestGraph",

	"kubectl warren bugreport --all --redact > report.tar.gz": "TestBugReport",
	"warren bugreport": "TestPrivilegedExplain",

	"helm install warren manifests/chart --namespace kube-system --values site/values.yaml": "TestPrivilegedLongHelm",
	"helm uninstall warren --namespace kube-system":                                         "TestPrivilegedLongHelm",
}

// Every command of the README is run by a test that exists, or by CI itself.
func TestReadme(t *testing.T) {
	known, script := definedTests(t), lines(t, ci)
	used := map[string]bool{}
	for _, c := range readmeCommands(t) {
		runner, ok := runners[c.Text]
		used[c.Text] = ok
		if !ok {
			runner, ok = sections[c.Section]
		}
		switch {
		case !ok:
			t.Errorf("%q in %q: say in this file who runs it", c.Text, c.Section)
		case runner == ci && !slices.Contains(script, c.Text):
			t.Errorf("%s does not run %q", ci, c.Text)
		case runner != ci && len(known[runner]) == 0:
			t.Errorf("%q is run by %s, which does not exist", c.Text, runner)
		}
	}
	for text := range runners {
		if !used[text] {
			t.Errorf("%q is not in the README", text)
		}
	}
}

// readmeCommands returns the commands in blocks, then those in the text.
func readmeCommands(t *testing.T) []readme.Command {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	document := readme.Parse(string(text))
	all := document.Commands
	if len(all) < 20 {
		t.Errorf("only %d commands are found: the README is written in another way", len(all))
	}
	for _, mentioned := range document.Inline {
		all = append(all, readme.Command{Section: "the text", Text: mentioned})
	}
	return all
}

// lines returns the commands of a script, one to a line, without what follows "||" or a comment.
func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		command, _, _ := strings.Cut(line, "||")
		all = append(all, strings.TrimSpace(command))
	}
	return all
}

// The README's command builds the image from the Dockerfile, with whichever builder there is.
func TestMakeImage(t *testing.T) {
	for _, builder := range []string{"docker", "podman", "buildah"} {
		// A make that runs this test has its child say which directories it enters, unless told otherwise.
		dry := exec.Command("make", "-n", "--no-print-directory", "image", "IMAGE=registry.example/warren:1",
			"BUILDER="+builder)
		out, err := dry.CombinedOutput()
		if want := builder + " build -t registry.example/warren:1 .\n"; err != nil || string(out) != want {
			t.Errorf("got %q, %v, want %q", out, err, want)
		}
	}
}
