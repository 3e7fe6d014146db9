package monitoring_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/doctor"
)

var checksNamed = regexp.MustCompile("`warren doctor` \\(W01 to (W[0-9]+)\\)")

// The runbooks say which checks there are.
func TestRunbooksNameTheLastCheck(t *testing.T) {
	entries := doctor.Entries()
	want := string(entries[len(entries)-1].ID)
	if got := checksNamed.FindStringSubmatch(read(t, doctor.Runbooks)); got == nil || got[1] != want {
		t.Errorf("the checks are said to be W01 to %q, and the last one is %s", got, want)
	}
}

var (
	onNode    = regexp.MustCompile(`(?m)^node# +(?:warren|kubectl) .*`)
	restarts  = "kubectl -n kube-system rollout restart ds/warren"
	noAPI     = "runbooks.md#without-the-api-server)"
	removeAPI = "runbooks.md#removal-without-the-api-server)"
)

// warren's program is not on the host, and kubectl needs an API server and a credential, which a node may not have.
func TestNodesRunOnlyWhatTheyHave(t *testing.T) {
	pages := []string{"README.md"}
	all, err := os.ReadDir(root + "docs")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range all {
		pages = append(pages, "docs/"+page.Name())
	}
	for _, page := range pages {
		for _, line := range onNode.FindAllString(read(t, page), -1) {
			t.Errorf("%s: root on a node has no such program: %s", page, line)
		}
	}
}

// Whoever has no API server finds what to do without one where the pages say what to do with one, and whoever has to
// restart the daemons finds how.
func TestPagesLeadOn(t *testing.T) {
	readme, runbooks := read(t, "README.md"), read(t, doctor.Runbooks)
	for where, c := range map[string]struct{ text, want string }{
		"README, Debug":        {between(t, readme, "\n## Debug\n", "\n## "), noAPI},
		"README, Uninstall":    {between(t, readme, "\n## Uninstall\n", "\n## "), removeAPI},
		"runbooks, W01":        {between(t, runbooks, `<a id="W01">`, "<a id="), "(#without-the-api-server)"},
		"runbooks, W03":        {between(t, runbooks, `<a id="W03">`, "<a id="), restarts},
		"runbooks, reading":    {between(t, runbooks, "\n## Without the API server\n", "\n## "), "warren doctor\n"},
		"runbooks, WarrenDown": {between(t, runbooks, `<a id="WarrenDown">`, "<a id="), "1. `kubectl get node NODE`"},
		"runbooks, removal":    {between(t, runbooks, "\n## Removal without the API server\n", "\n## "), "systemctl "},
	} {
		if !strings.Contains(c.text, c.want) {
			t.Errorf("%s lacks %q", where, c.want)
		}
	}
}

var (
	policyStep = regexp.MustCompile(`\bStep += "(policy [a-z ]+)"`)
	stepRow    = regexp.MustCompile("(?m)^\\| `(policy [a-z ]+)` \\|")
)

// The runbooks say of each step of the pass over network policies what it means, and of no other.
func TestRunbooksHavePolicySteps(t *testing.T) {
	var want, got []string
	for _, file := range []string{"mesh/enforce/pass.go", "mesh/status/steps.go"} {
		for _, step := range policyStep.FindAllStringSubmatch(read(t, file), -1) {
			want = append(want, step[1])
		}
	}
	section := between(t, read(t, doctor.Runbooks), "\n## Steps of network policies\n", "\n## ")
	for _, row := range stepRow.FindAllStringSubmatch(section, -1) {
		got = append(got, row[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps in the code, and in the runbooks (-want +got):\n%s", diff)
	}
}

// between returns what of a page is between a mark and the next one of another kind.
func between(t *testing.T, page, from, to string) string {
	t.Helper()
	_, text, found := strings.Cut(page, from)
	if !found {
		t.Fatalf("no page has %q", from)
	}
	text, _, _ = strings.Cut(text, to)
	return text
}
