package helm_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// notes returns what Helm prints after an installation into a namespace, in one line.
func notes(t *testing.T, namespace string) string {
	t.Helper()
	files, err := renderFiles(t, namespace, nil)
	if err != nil {
		t.Fatal(err)
	}
	return oneLine(files["warren/templates/NOTES.txt"])
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// `helm uninstall` takes away what the removal needs, so that the notes say what comes before it, and what follows
// without a daemon.
func TestNotesTellOfTheRemoval(t *testing.T) {
	text := notes(t, "mesh")
	for _, want := range []string{
		`Before helm uninstall, follow steps 1 to 3 of "Uninstall" in the README`,
		"Without a daemon no new pod starts on a node",
		"kubectl -n mesh delete configmaps -l app.kubernetes.io/name=warren",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the notes lack %q:\n%s", want, text)
		}
	}
	steps := regexp.MustCompile(`(?m)^(\d)\. `).FindAllString(section(t, "../README.md", "Uninstall"), -1)
	if !slices.Equal(steps, []string{"1. ", "2. ", "3. "}) {
		t.Errorf("the README's steps are %q", steps)
	}
}

// Whoever has deleted the release or the manifests first needs them again for the removal.
func TestUninstallTellsWhatHasToBeThere(t *testing.T) {
	const want = "If you have already uninstalled Helm's release, or deleted the manifests, install warren again first"
	if text := oneLine(section(t, "../README.md", "Uninstall")); !strings.Contains(text, want) {
		t.Errorf("the README's Uninstall lacks %q", want)
	}
}

// The ConfigMap has another name for each configuration and is kept, which not every version of Helm rolls back to.
func TestRollbackTellsOfHelm(t *testing.T) {
	text := oneLine(section(t, "../docs/upgrade.md", "Rollback"))
	for _, want := range []string{
		"`helm upgrade`", "`helm rollback`", `no ConfigMap with the name "warren-`, "once more",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("Rollback lacks %q:\n%s", want, text)
		}
	}
}

// section returns a page's section of the second level.
func section(t *testing.T, page, name string) string {
	t.Helper()
	_, text, found := strings.Cut(read(t, page), "\n## "+name+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, name)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}
