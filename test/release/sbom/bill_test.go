package main

import (
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A bill has the modules of all programs, once each: the product's in the release's version, the standard library's,
// and in the place of a module what replaces it.
func TestModules(t *testing.T) {
	b := newBill("x", "v1.2.3", time.Unix(0, 0))
	for range 2 {
		b.modules(&debug.BuildInfo{
			GoVersion: "go1.26.1", Main: debug.Module{Path: "warren.mesh/cni/plugins", Version: "(devel)"},
			Deps: []*debug.Module{
				{Path: "example.com/a", Version: "v1.0.0", Sum: "h1:c3Vt"},
				{Path: "example.com/b", Version: "v2.0.0", Replace: &debug.Module{
					Path: "example.com/c", Version: "v3.0.0+x",
				}},
			},
		})
	}
	got, err := json.MarshalIndent(b.document(), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/bill.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A program has the standard library at least.
func TestProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := newBill("x", "v1", time.Time{})
	if err := fill(b, "", "", []string{self}); err != nil {
		t.Fatal(err)
	}
	for purl := range b.components {
		if strings.HasPrefix(purl, "pkg:golang/std@1.") {
			return
		}
	}
	t.Errorf("components %v", b.components)
}

// A package that dpkg has removed is in no bill. Neither is one that it has not configured.
func TestPackages(t *testing.T) {
	b := newBill("x", "v1", time.Time{})
	b.packages(`Package: nftables
Status: install ok installed
Architecture: arm64
Version: 1:1.0.6-2+deb12u2
Description: Program to control packet filtering rules
 Version: this is not one

Package: gone
Status: deinstall ok config-files
Version: 1
`)
	want := map[string]component{}
	purl := "pkg:deb/debian/nftables@1%3A1.0.6-2%2Bdeb12u2?arch=arm64"
	want[purl] = component{Type: "library", Ref: purl, Name: "nftables", Version: "1:1.0.6-2+deb12u2", PURL: purl}
	if diff := cmp.Diff(want, b.components); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNothing(t *testing.T) {
	for _, programs := range [][]string{nil, {"bill_test.go"}, {"absent"}} {
		if err := fill(newBill("x", "v1", time.Time{}), "", "", programs); err == nil {
			t.Errorf("%v: no error", programs)
		}
	}
}
