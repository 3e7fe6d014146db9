package gate

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecords(t *testing.T) {
	r := RecordsIn(t.TempDir())
	if got, problems := r.Load(); len(got)+len(problems) > 0 {
		t.Errorf("before there is a directory: %v, %v", got, problems)
	}
	changed := pod("b")
	changed.UID = "another"
	for _, a := range []Attachment{pod("b"), pod("a"), pod("gone"), pod("buried"), changed} {
		if err := r.Put(a); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.Delete("gone", "eth0"); err != nil {
			t.Error(err)
		}
	}
	if err := r.Bury("buried", "eth0"); err != nil {
		t.Fatal(err)
	}
	if got := r.Addrs("buried", "eth0"); !slices.Equal(got, pod("buried").Addrs) {
		t.Errorf("addresses of one with a tombstone: %v", got)
	}
	if got := slices.Concat(r.Addrs("gone", "eth0"), r.Addrs("../pods/a", "eth0")); len(got) > 0 {
		t.Errorf("addresses of what has no record: %v", got)
	}
	got, problems := r.Load()
	if diff := cmp.Diff([]Attachment{pod("a"), changed}, got, cmp.Comparer(sameAddr)); diff != "" || problems != nil {
		t.Errorf("problems %v, (-want +got):\n%s", problems, diff)
	}
}

// What cannot be a record is said and left out, and harms no other.
func TestRecordsSkipGarbage(t *testing.T) {
	r := RecordsIn(t.TempDir())
	if err := r.Put(pod("a")); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(r.Dir, "a@eth0.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty@eth0.json":       "",
		"half@eth0.json":        string(good[:20]),
		"copy@eth0.json":        string(good),
		"none@eth0.json":        "{}",
		"written@eth0.json.tmp": "{",
		"unrelated":             "",
	} {
		if err := os.WriteFile(filepath.Join(r.Dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(r.Dir, "directory@eth0.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, problems := r.Load()
	if len(got) != 1 || got[0].Name != "a" {
		t.Errorf("loaded %v", got)
	}
	for i, want := range []string{"copy@", "directory@", "empty@", "half@", "none@"} {
		if len(problems) != 5 || !strings.Contains(problems[i].Error(), filepath.Join(r.Dir, want)) {
			t.Fatalf("problems %v, want one of %s", problems, want)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := pod("a").Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Attachment){
		"no ID of a container":     func(a *Attachment) { a.Container = "../../etc" },
		`"a b" is no name of an`:   func(a *Attachment) { a.Interface = "a b" },
		"K8S_POD_NAMESPACE":        func(a *Attachment) { a.Namespace = "" },
		"K8S_POD_NAME ":            func(a *Attachment) { a.Name = "" },
		`"" is no name of an`:      func(a *Attachment) { a.Port = "" },
		"no hardware address":      func(a *Attachment) { a.MAC = "02:00:00:00:00:01:02:03" },
		"has no address":           func(a *Attachment) { a.Addrs = nil },
		"no address of a pod":      func(a *Attachment) { a.Addrs = []netip.Addr{{}} },
		"two addresses of one fam": func(a *Attachment) { a.Addrs = append(a.Addrs, netip.MustParseAddr("10.0.0.1")) },
	} {
		a := pod("a")
		change(&a)
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
