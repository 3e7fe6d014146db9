package walls

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
)

// othersTable is what somebody else commits over and over, as kube-proxy does in a busy cluster: a table with a
// thousand elements, deleted and made anew.
func othersTable(name string) string {
	var elements []string
	for i := range 1000 {
		elements = append(elements, fmt.Sprintf("10.96.%d.%d", i/250, i%250))
	}
	return fmt.Sprintf(`table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	set services { type ipv4_addr; elements = { %[2]s } }
	chain forward { type filter hook forward priority filter; ip daddr @services counter; }
}
`, name, strings.Join(elements, ", "))
}

// others commit, in the caller's namespace, their transactions one after the other, two at a time, until the
// test ends. rounds counts them.
func others(t *testing.T) (rounds func() int) {
	t.Helper()
	dir := t.TempDir()
	going := filepath.Join(dir, "going")
	if err := os.WriteFile(going, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var processes []*exec.Cmd
	for _, name := range []string{"one", "two"} {
		table := filepath.Join(dir, name)
		if err := os.WriteFile(table, []byte(othersTable(name)), 0o600); err != nil {
			t.Fatal(err)
		}
		loop := fmt.Sprintf("while [ -e %s ]; do nft -f %s && echo >> %[2]s.rounds; done", going, table)
		process := exec.Command("sh", "-c", loop)
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, process)
	}
	t.Cleanup(func() {
		_ = os.Remove(going)
		for _, p := range processes {
			_ = p.Wait()
		}
	})
	return func() (all int) {
		for _, name := range []string{"one", "two"} {
			text, _ := os.ReadFile(filepath.Join(dir, name+".rounds"))
			all += len(text)
		}
		return all
	}
}

// TestPrivilegedChurn edits the tables while others commit transactions all the time: each edit lands, whole, and is
// found as it was made.
func TestPrivilegedChurn(t *testing.T) {
	w := open(t)
	in, index := twoPods(), policy.NewIndex()
	for _, n := range in.Namespaces {
		index.SetNamespace(n)
	}
	for _, p := range in.Pods {
		index.SetPod(p)
	}
	for _, a := range in.Attached {
		index.Attach(a)
	}
	portsTable, _ := layouts(in)
	rounds := others(t)
	if _, err := w.SyncTables(t.Context(), portsTable, index.State().Table); err != nil {
		t.Fatal(err)
	}
	kept := in.Policies
	for i := range 30 {
		in.Policies = nil
		if i%2 == 0 {
			in.Policies = kept
		}
		for _, p := range kept {
			if i%2 == 0 {
				index.SetPolicy(p)
			} else {
				index.DeletePolicy(p.Namespace, p.Name)
			}
		}
		edit, before := index.Commit(), rounds()
		if err := w.EditTables(t.Context(), nft.Edit{}, edit.Edit, edit.Tightens); err != nil {
			t.Fatalf("edit %d: %v", i, err)
		}
		_, table := layouts(in)
		if changed, err := w.SyncTables(t.Context(), portsTable, table); err != nil || changed {
			t.Errorf("after edit %d, within %d transactions of others: %v, put right %t", i, rounds()-before, err,
				changed)
		}
	}
	if rounds() == 0 {
		t.Error("others committed nothing meanwhile")
	}
	t.Logf("30 edits among %d transactions of others", rounds())
}
