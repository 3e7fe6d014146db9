package readme

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const example = "# title\n\nText with `make test` and `code`, `wg show x`\nand `make test` again.\n\n" +
	"    make demo     # what it does\n    make test\n\n" +
	"## Install\n\n1. First\n   and more\n\n       kubectl apply -k a/ && kubectl wait\n\n" +
	"2. A file:\n\n   ```yaml\n   # a/kustomization.yaml\n   resources:\n   - b\n   ```\n\n" +
	"## Check\n\n```console\n$ kubectl get nodes\nNAME\n$ for ip in x; do\n>   ping $ip\n> done\n" +
	"node# wg show\noutput $ text\n```\n\n    make clean\n"

func TestParse(t *testing.T) {
	want := Document{
		Commands: []Command{
			{"", "make demo", false},
			{"", "make test", false},
			{"Install", "kubectl apply -k a/ && kubectl wait", false},
			{"Check", "kubectl get nodes", false},
			{"Check", "for ip in x; do\n  ping $ip\ndone", false},
			{"Check", "wg show", true},
			{"Check", "make clean", false},
		},
		Inline: []string{"make test", "wg show x"},
		Files:  map[string]string{"a/kustomization.yaml": "resources:\n- b\n"},
	}
	if diff := cmp.Diff(want, Parse(example)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
