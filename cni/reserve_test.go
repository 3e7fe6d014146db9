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

// What is reserved again is what running pods have, whether libcni's cache or the gate's records know them: not what
// ended, and not what another container has. The second time nothing is left to do.
func TestReserve(t *testing.T) {
	c := node(t)
	c.CacheDir = t.TempDir()
	if got, err := c.Reserve(); got != nil || err != nil {
		t.Errorf("before there is a pod: %v, %v", got, err)
	}
	other := func(id, port, host string) string {
		return strings.ReplaceAll(cached(id, "warren", port), ".1.2/", host)
	}
	write(t, map[string]string{
		filepath.Join(c.CacheDir, "results/warren-web-eth0"):    cached("web", "warren", "lo"),
		filepath.Join(c.CacheDir, "results/warren-ended-eth0"):  other("ended", "veth00000000", ".1.3/"),
		filepath.Join(c.CacheDir, "results/warren-taken-eth0"):  other("taken", "lo", ".1.4/"),
		filepath.Join(c.CacheDir, "results/warren-broken-eth0"): "{",
		filepath.Join(c.RunDir, "ipam/warren/10.244.1.4"):       "new\r\neth0",
		filepath.Join(c.RunDir, "ipam/warren/fd00::2"):          "web\r\neth0",
	})
	for name, port := range map[string]string{"recorded": "lo", "gone": "veth00000000", "buried": "lo"} {
		a := gate.Attachment{Container: name, Interface: "eth0", Namespace: "default", Name: name, Port: port,
			MAC: "02:00:00:00:00:01", Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.9")}}
		if name == "buried" {
			a.Addrs[0] = netip.MustParseAddr("10.244.1.10")
		}
		if err := gate.RecordsIn(c.RunDir).Put(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := gate.RecordsIn(c.RunDir).Bury("buried", "eth0"); err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]netip.Addr{
		{netip.MustParseAddr("10.244.1.2"), netip.MustParseAddr("10.244.1.9")}, nil,
	} {
		got, err := c.Reserve()
		if diff := cmp.Diff(want, got, sameAddr); diff != "" {
			t.Errorf("time %d (-want +got):\n%s", i+1, diff)
		}
		if text := fmt.Sprint(err); !strings.Contains(text, "warren-broken-eth0") || strings.Contains(text, "10.244") {
			t.Errorf("time %d: the error is %v, want one about the file that cannot be read", i+1, err)
		}
	}
	got := map[string]string{}
	for path, e := range tree(t, filepath.Join(c.RunDir, "ipam")) {
		got[strings.TrimPrefix(path, c.RunDir)] = e.Content
	}
	want := map[string]string{
		"/ipam/warren/10.244.1.2": "web\r\neth0", "/ipam/warren/10.244.1.4": "new\r\neth0",
		"/ipam/warren/10.244.1.9": "recorded\r\neth0", "/ipam/warren/fd00::2": "web\r\neth0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reservations (-want +got):\n%s", diff)
	}
}

// Two running pods that have one address are both named. A container that a reservation names and that does not run,
// or has other addresses, is no reason for that.
func TestReserveTellsTwoHolders(t *testing.T) {
	for name, test := range map[string]struct {
		port, addr string
		want       string
	}{
		"both run":                {"lo", "10.244.1.4", "pod shop/old: 10.244.1.4 is the address of pod shop/new too"},
		"the holder has ended":    {"veth00000000", "10.244.1.4", ""},
		"the holder has moved on": {"lo", "10.244.1.5", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := node(t)
			c.CacheDir = t.TempDir()
			write(t, map[string]string{filepath.Join(c.RunDir, "ipam/warren/10.244.1.4"): "new\r\neth0"})
			for _, a := range []gate.Attachment{
				{Container: "old", Name: "old", Port: "lo", Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.4")}},
				{Container: "new", Name: "new", Port: test.port, Addrs: []netip.Addr{netip.MustParseAddr(test.addr)}},
			} {
				a.Interface, a.Namespace, a.MAC = "eth0", "shop", "02:00:00:00:00:01"
				if err := gate.RecordsIn(c.RunDir).Put(a); err != nil {
					t.Fatal(err)
				}
			}
			_, err := c.Reserve()
			told := err != nil && strings.Contains(err.Error(), test.want)
			if told != (test.want != "") || err != nil && !told {
				t.Errorf("Reserve says %v, want %q", err, test.want)
			}
		})
	}
}

// A node that lost its reservations gives the address of a running pod to no other, frees nothing that it has reserved
// again, and the pod's DEL does.
func TestPrivilegedReserve(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	web, fresh := newPod(t, "web").args(), newPod(t, "fresh").args()
	kept := m.attach(t, web)
	if err := os.RemoveAll(filepath.Join(m.configuration.RunDir, "ipam")); err != nil {
		t.Fatal(err)
	}
	reserved, err := m.configuration.Reserve()
	if diff := cmp.Diff(texts(kept), texts(reserved)); diff != "" || err != nil {
		t.Errorf("reserved again: %v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"10.244.1.3", "fd00:10:244:1::3"}, texts(m.attach(t, fresh))); diff != "" {
		t.Errorf("addresses of the new pod (-want +got):\n%s", diff)
	}
	for _, addr := range texts(kept) {
		age(t, m.configuration, addr, time.Hour)
	}
	collector := cni.Collector{Configuration: m.configuration, Plugin: filepath.Join(m.plugins, "host-local"),
		Ports: func() ([]string, error) { return nil, nil }}
	if freed, err := collector.Collect(t.Context()); err != nil || freed != nil {
		t.Errorf("freed %v of a running pod, %v", freed, err)
	}
	m.detach(t, web)
	m.detach(t, fresh)
	if left, err := m.configuration.Strays(nil); err != nil || len(left) > 0 {
		t.Errorf("reservations after all were detached: %v, %v", left, err)
	}
}
