package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// foreign are the flags of other programs that the documents name, and whose they are. Those of kubectl's plugin its
// own test looks at.
var foreign = map[string]string{
	"all": "kubectl warren", "from": "kubectl warren", "timeout": "kubectl warren", "redact": "kubectl warren",
	"allocate-node-cidrs": "kube-controller-manager", "cluster-cidr": "kube-controller-manager",
	"pod-network-cidr": "kubeadm", "flannel-backend": "k3s", "disable-network-policy": "k3s",
	"manifest-url": "krew", "field-selector": "kubectl", "namespace": "helm", "values": "helm",
	"set": "helm", "version": "kubectl warren", "check": "sha256sum", "ignore-missing": "sha256sum", "raw": "skopeo",
	"preserve-digests": "skopeo", "bump-revision": "etcdutl", "mark-compacted": "etcdutl",
	"profile": "kubectl", "image": "kubectl", "save-config": "kubectl", "cleanup": "kube-proxy", "dport": "iptables",
	"name": "crictl", "tail": "crictl", "kubernetes": "talosctl", "exec-id": "ctr", "signal": "ctr", "rm": "ctr",
	"address": "ctr", "prefix": "kubectl", "previous": "kubectl",
}

var (
	flagName = regexp.MustCompile(`(?:^|[^\w-])--([a-z][a-z-]*)`)
	// ownCommand is a command of warren's, not of the plugin, with what follows on its line or up to a backquote.
	ownCommand = regexp.MustCompile("(?:^|[^\\w])(kubectl )?warren ([a-z-]+)([^`\n]*)")
	// tableRow is a row of the README's table of flags: the flag, and its default, the first in backquotes, or none.
	tableRow = regexp.MustCompile("(?m)^\\| `--([a-z-]+)`[^|]*\\| (?:`([^`]*)`[^|]*)?\\|")
)

// documents are README and the pages of docs, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d pages, %v", len(paths), err)
	}
	all := map[string]string{}
	for _, path := range append(paths, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(text)
	}
	return all
}

// Each flag that README and docs name exists, and where they name a command too, it is one of that command's.
func TestDocumentedFlags(t *testing.T) {
	known, used := map[string]bool{}, map[string]bool{}
	commands := map[string]*cobra.Command{}
	for _, cmd := range newRoot().Commands() {
		cmd.InitDefaultHelpFlag()
		commands[cmd.Name()] = cmd
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	}
	for path, text := range documents(t) {
		for _, match := range flagName.FindAllStringSubmatch(text, -1) {
			if used[match[1]] = true; !known[match[1]] && foreign[match[1]] == "" {
				t.Errorf("%s: no command has --%s; if it is another program's, say so in this file", path, match[1])
			}
		}
		for _, match := range ownCommand.FindAllStringSubmatch(text, -1) {
			cmd := commands[match[2]]
			if match[1] != "" || cmd == nil {
				continue
			}
			for _, flag := range flagName.FindAllStringSubmatch(match[3], -1) {
				if cmd.Flags().Lookup(flag[1]) == nil {
					t.Errorf("%s: warren %s has no --%s", path, match[2], flag[1])
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(foreign)) {
		if !used[name] {
			t.Errorf("--%s is in no document", name)
		}
	}
}

// shortest is a duration as people write it: "5m" and not "5m0s".
func shortest(t *testing.T, duration string) string {
	t.Helper()
	short := strings.TrimSuffix(strings.TrimSuffix(duration, "0s"), "0m")
	for _, text := range []string{short, duration} {
		if d, err := time.ParseDuration(text); err == nil && d.String() == duration {
			return text
		}
	}
	t.Fatalf("%q is no duration", duration)
	return ""
}

// The README's table has all flags of the daemon, with their defaults.
func TestTableOfFlags(t *testing.T) {
	text := documents(t)["../../README.md"]
	_, section, _ := strings.Cut(text, "\n## Configuration\n")
	section, _, _ = strings.Cut(section, "\n## ")
	listed := map[string]string{}
	for _, row := range tableRow.FindAllStringSubmatch(section, -1) {
		listed[row[1]] = row[2]
	}
	daemon, _, err := newRoot().Find([]string{"daemon"})
	if err != nil {
		t.Fatal(err)
	}
	daemon.Flags().VisitAll(func(f *pflag.Flag) {
		value, there := listed[f.Name]
		delete(listed, f.Name)
		want := strings.Trim(f.DefValue, "[]")
		if f.Value.Type() == "duration" {
			want = shortest(t, want)
		}
		// The environment, and the program's own directory.
		fromElsewhere := f.Name == "node-name" || f.Name == "cni-plugins"
		if !there || value != want && !fromElsewhere {
			t.Errorf("--%s: the table has %q (%v), want %q", f.Name, value, there, want)
		}
	})
	for _, name := range []string{"log-level", "log-format"} { // of all commands, in one row
		if _, there := listed[name]; !there && !strings.Contains(section, "`--"+name+"`") {
			t.Errorf("--%s is not in the table", name)
		}
		delete(listed, name)
	}
	if len(listed) > 0 {
		t.Errorf("no flags of the daemon: %v", slices.Sorted(maps.Keys(listed)))
	}
}
