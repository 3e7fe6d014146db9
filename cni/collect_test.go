package cni_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni"
	"warren.mesh/cni/gate"
	"warren.mesh/mesh/meshtest"
)

// age makes a reservation as old as given.
func age(t *testing.T, c cni.Configuration, address string, by time.Duration) {
	t.Helper()
	when := time.Now().Add(-by)
	if err := os.Chtimes(filepath.Join(c.RunDir, "ipam/warren", address), when, when); err != nil {
		t.Fatal(err)
	}
}

// What is collected is what nobody holds; a plugin that only notes its calls stands for host-local.
func TestCollect(t *testing.T) {
	c := node(t)
	c.CacheDir = t.TempDir()
	configure(t, c, 1420)
	for address, id := range map[string]string{
		"10.244.1.2": "stale", "fd00:10:244:1::2": "stale", "10.244.1.3": "cached", "10.244.1.4": "recorded",
		"10.244.1.5": "young", "10.244.1.6": "half", "fd00:10:244:1::6": "half", "10.244.1.7": "moved",
		"10.244.1.8": "unreadable",
	} {
		write(t, map[string]string{filepath.Join(c.RunDir, "ipam/warren", address): id + "\r\neth0"})
		age(t, c, address, time.Hour)
	}
	holder := strings.ReplaceAll(cached("z", "warren", "lo"), ".1.2/", ".1.7/")
	write(t, map[string]string{
		filepath.Join(c.RunDir, "ipam/warren/10.244.1.9"):           "",
		filepath.Join(c.RunDir, "ipam/warren/10.244.1.10"):          "../../x\r\neth0",
		filepath.Join(c.CacheDir, "results/warren-cached-eth0"):     cached("cached", "warren", "gone"),
		filepath.Join(c.CacheDir, "results/warren-unreadable-eth0"): "{",
		filepath.Join(c.CacheDir, "results/warren-holder-eth0"):     holder,
		filepath.Join(c.CacheDir, "results/warren-2-stale-eth0"):    cached("stale", "warren-2", "lo"),
	})
	age(t, c, "10.244.1.9", time.Hour)
	age(t, c, "10.244.1.10", time.Hour)
	age(t, c, "10.244.1.5", time.Minute)
	age(t, c, "fd00:10:244:1::6", time.Minute)
	attached := gate.Attachment{Container: "recorded", Interface: "eth0", Namespace: "default", Name: "r",
		Port: "veth1", MAC: "02:00:00:00:00:01", Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.99")}}
	if err := gate.RecordsIn(c.RunDir).Put(attached); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	calls, plugin := filepath.Join(bin, "calls"), filepath.Join(bin, "host-local")
	script := fmt.Sprintf("#!/bin/sh\necho $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME >>%s\n", calls)
	if err := os.WriteFile(plugin, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	ports := []string{"lo", "veth1"}
	collector := cni.Collector{Configuration: c, Plugin: plugin, Ports: func() ([]string, error) { return ports, nil }}
	freed, err := collector.Collect(t.Context())
	if diff := cmp.Diff([]string{"10.244.1.2", "fd00:10:244:1::2"}, freed); diff != "" || err != nil {
		t.Errorf("freed: %v (-want +got):\n%s", err, diff)
	}
	if got, err := os.ReadFile(calls); string(got) != "DEL stale eth0\n" {
		t.Errorf("host-local was called with %q, %v", got, err)
	}
	// The script freed nothing.
	ports = append(ports, "veth9")
	freed, err = collector.Collect(t.Context())
	if err == nil || !strings.Contains(err.Error(), "veth9") || freed != nil {
		t.Errorf("with a port that nobody knows: freed %v, %v", freed, err)
	}
}

// A range that the runtime filled with sandboxes that it forgot has addresses again, and the pod that runs keeps its
// own.
func TestPrivilegedCollect(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	if _, err := m.configuration.Configure(prefixes("10.244.1.0/28"), 1380); err != nil {
		t.Fatal(err)
	}
	m.load(t)
	running := newPod(t, "running").args()
	kept := m.attach(t, running)
	if want := "10.244.1.2"; len(kept) != 1 || kept[0].String() != want {
		t.Fatalf("the first pod has %v, want %s", kept, want)
	}
	for i := 3; i < 15; i++ {
		file := filepath.Join(m.configuration.RunDir, "ipam/warren", fmt.Sprintf("10.244.1.%d", i))
		write(t, map[string]string{file: fmt.Sprintf("lost%d\r\neth0", i)})
	}
	a := newPod(t, "a").args()
	if _, err := m.runtime.AddNetworkList(t.Context(), m.list, a.conf); err == nil {
		t.Fatal("the range was not full")
	}
	m.detach(t, a)
	port := func() ([]string, error) {
		attached, problems := m.configuration.Attachments()
		if len(attached) != 1 || problems != nil {
			t.Errorf("attached: %v, %v", attached, problems)
		}
		return []string{attached[0].Port}, nil
	}
	collector := cni.Collector{Configuration: m.configuration, Ports: port,
		Plugin: filepath.Join(m.plugins, "host-local")}
	if freed, err := collector.Collect(t.Context()); err != nil || freed != nil {
		t.Errorf("young reservations: freed %v, %v", freed, err)
	}
	for i := 2; i < 15; i++ {
		age(t, m.configuration, fmt.Sprintf("10.244.1.%d", i), time.Hour)
	}
	freed, err := collector.Collect(t.Context())
	if err != nil || len(freed) != 12 {
		t.Errorf("freed %v, %v; want 12", freed, err)
	}
	m.attach(t, a)
	if strays, err := m.configuration.Strays(nil); err != nil || len(strays) != 2 || strays[0] != kept[0] {
		t.Errorf("reservations: %v, %v; want two, %v among them", strays, err, kept)
	}
	m.detach(t, a)
	m.detach(t, running)
}
