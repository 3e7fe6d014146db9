package cni_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni/gate"
)

// cached is what libcni keeps of an attachment whose port is the interface port.
func cached(id, network, port string) string {
	const form = `{"kind":"cniCacheV1","containerId":%q,"ifName":"eth0","networkName":%q,` +
		`"cniArgs":[["IgnoreUnknown","1"],["K8S_POD_NAMESPACE","default"],["K8S_POD_NAME",%[1]q],` +
		`["K8S_POD_UID","u-%[1]s"]],"result":{"cniVersion":"1.1.0","interfaces":[{"name":"warren-br0","mac":` +
		`"02:00:00:00:00:fe"},{"name":%[3]q,"mac":"02:00:00:00:00:fd"},{"name":"eth0","mac":"02:00:00:00:00:01",` +
		`"sandbox":"/run/netns/x"}],"ips":[{"interface":2,"address":"10.244.1.2/24"},{"interface":2,` +
		`"address":"fd00::2/64"}]}}`
	return fmt.Sprintf(form, id, network, port)
}

// What libcni has is what is attached, but for pods whose port is gone, and for other networks; what cannot be read is
// said and harms no other.
func TestAttachments(t *testing.T) {
	c := node(t)
	c.CacheDir = t.TempDir()
	if got, problems := c.Attachments(); got != nil || problems != nil {
		t.Errorf("before there is a pod: %v, %v", got, problems)
	}
	results := filepath.Join(c.CacheDir, "results")
	write(t, map[string]string{
		filepath.Join(results, "warren-web-eth0"):    cached("web", "warren", "lo"), // which every host has
		filepath.Join(results, "warren-gone-eth0"):   cached("gone", "warren", "veth00000000"),
		filepath.Join(results, "warren-2-x-eth0"):    cached("x", "warren-2", "lo"),
		filepath.Join(results, "other-y-eth0"):       "{",
		filepath.Join(results, "warren-broken-eth0"): "{",
		filepath.Join(results, "warren-nobody-eth0"): strings.ReplaceAll(cached("n", "warren", "lo"), "K8S_POD", "x"),
	})
	want := []gate.Attachment{{
		Container: "web", Interface: "eth0", Namespace: "default", Name: "web", UID: "u-web", Port: "lo",
		MAC:   "02:00:00:00:00:01",
		Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.2"), netip.MustParseAddr("fd00::2")},
	}}
	got, problems := c.Attachments()
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, want := range []string{"warren-broken-eth0", "warren-nobody-eth0"} {
		if len(problems) != 2 || !strings.Contains(problems[i].Error(), filepath.Join(results, want)) {
			t.Fatalf("problems %v, want one of %s", problems, want)
		}
	}
}

// A file of containerd 2.4, but for the configuration in it, and with a port that every host has.
func TestAttachmentsOfContainerd(t *testing.T) {
	content, err := os.ReadFile("testdata/containerd-2.4.json")
	if err != nil {
		t.Fatal(err)
	}
	c := node(t)
	c.CacheDir = t.TempDir()
	here := portOf.ReplaceAllString(string(content), `"lo"`)
	write(t, map[string]string{filepath.Join(c.CacheDir, "results/warren-x-eth0"): here})
	got, problems := c.Attachments()
	if len(got) != 1 || problems != nil {
		t.Fatalf("got %v, %v", got, problems)
	}
	a := got[0]
	if a.Name != "web-mbx7t" || a.UID != "b28f9e68-d43c-4314-b73f-f082852d1a40" || a.MAC != "fa:5d:d3:c5:81:f9" ||
		len(a.Addrs) != 2 {
		t.Errorf("got %+v", a)
	}
}

var portOf = regexp.MustCompile(`"veth[0-9a-f]+"`)
