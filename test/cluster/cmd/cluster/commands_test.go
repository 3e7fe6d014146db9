package main

import (
	"testing"

	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
)

func TestParseFamily(t *testing.T) {
	for text, want := range map[string]lab.Family{"ipv4": lab.IPv4, "ipv6": lab.IPv6, "dual": lab.Dual} {
		if got, err := parseFamily(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "IPv4", "both"} {
		if got, err := parseFamily(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestParseProxy(t *testing.T) {
	for _, want := range []cluster.Proxy{cluster.NFTables, cluster.IPTables} {
		if got, err := parseProxy(string(want)); err != nil || got != want {
			t.Errorf("%s: %v, %v", want, got, err)
		}
	}
	if _, err := parseProxy("ipvs"); err == nil {
		t.Error("ipvs is taken")
	}
}

// What fails is shown once and ends the command, after its clean-ups.
func TestRun(t *testing.T) {
	var order []string
	err := run(t.Context(), func(t *terminal) {
		t.Cleanup(func() { order = append(order, "first") })
		t.Cleanup(func() { order = append(order, "last") })
		t.Fatalf("it fails")
	})
	if err == nil || len(order) != 2 || order[0] != "last" {
		t.Errorf("got %v after %v", err, order)
	}
	if err := run(t.Context(), func(*terminal) {}); err != nil {
		t.Errorf("got %v", err)
	}
}
