package release_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// workflow is what these tests read of one of GitHub's.
type workflow struct {
	Jobs map[string]struct {
		Steps []struct{ Uses, Run string }
	}
}

var (
	target = regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	script = regexp.MustCompile(`(?m)(?:^|\s)((?:\.ci|test|tools)/[a-z/-]+)`)
	pinned = regexp.MustCompile(`^[\w-]+/[\w/-]+@[0-9a-f]{40}$`)
)

// The workflows call targets of the Makefile and scripts that exist, and actions by commit: a tag can be moved.
func TestWorkflows(t *testing.T) {
	makefile := read(t, root, "Makefile")
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	called := 0
	for _, file := range files {
		text := read(t, file)
		var w workflow
		if err := yaml.Unmarshal([]byte(text), &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for name, job := range w.Jobs {
			for _, step := range job.Steps {
				for _, match := range target.FindAllStringSubmatch(step.Run, -1) {
					called++
					if !strings.Contains(makefile, "\n"+match[1]+": ") {
						t.Errorf("%s, job %s: the Makefile has no target %s", file, name, match[1])
					}
				}
				for _, match := range script.FindAllStringSubmatch(step.Run, -1) {
					called++
					if _, err := os.Stat(filepath.Join(root, match[1])); err != nil {
						t.Errorf("%s, job %s: %v", file, name, err)
					}
				}
				if step.Uses == "" {
					continue
				}
				if !pinned.MatchString(step.Uses) || !strings.Contains(text, step.Uses+" # v") {
					t.Errorf("%s, job %s: %s: want a commit, and the version behind it", file, name, step.Uses)
				}
			}
		}
	}
	if called == 0 {
		t.Error("the workflows call no target")
	}
}
