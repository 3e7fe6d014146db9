package lab

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseMetrics(t *testing.T) {
	text := "# HELP a Of something.\n# TYPE a gauge\na 3\n\nb{reason=\"with a space\",step=\"x\"} 1e+06\nc NaN\n"
	got, err := parseMetrics(text)
	if err != nil {
		t.Fatal(err)
	}
	delete(got, "c")
	if diff := cmp.Diff(map[string]float64{"a": 3, `b{reason="with a space",step="x"}`: 1e6}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, text := range []string{"lonely", "a one"} {
		if _, err := parseMetrics(text); err == nil {
			t.Errorf("%q was taken for a metric", text)
		}
	}
}

func TestNodeAddresses(t *testing.T) {
	for family, want := range map[Family][]string{
		IPv4: {"172.31.9.7"}, IPv6: {"fd00:9::7"}, Dual: {"172.31.9.7", "fd00:9::7"},
	} {
		var wanted []netip.Addr
		for _, text := range want {
			wanted = append(wanted, netip.MustParseAddr(text))
		}
		got := family.nodeIPs(underlayCIDRs, 7)
		if diff := cmp.Diff(wanted, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%v (-want +got):\n%s", family, diff)
		}
	}
}

// Labs of tests with one name, in different packages, must not end each other.
func TestNameOfALab(t *testing.T) {
	first := Options{}.complete("TestA/with spaces#01")
	t.Chdir(t.TempDir())
	second := Options{}.complete("TestA/with spaces#01")
	if first.Name == second.Name {
		t.Errorf("two packages' labs are both called %s", first.Name)
	}
	if want := "testa-with-spaces-01-"; first.Name[:len(want)] != want {
		t.Errorf("it is called %s, want %s…", first.Name, want)
	}
	if first.Nodes != 3 || first.MTU != 1500 {
		t.Errorf("%d nodes with an MTU of %d", first.Nodes, first.MTU)
	}
}
