package meshtest_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

func TestKernelContract(t *testing.T) {
	t.Run("kernel", func(t *testing.T) {
		meshtest.RunHostContract(t, func(t *testing.T) meshtest.Harness { return newHarness(t, false) })
	})
	t.Run("userspace", func(t *testing.T) {
		meshtest.RunHostContract(t, func(t *testing.T) meshtest.Harness { return newHarness(t, true) })
	})
}

// newHarness is a harness on the model. In userspace the device process runs, and is started again after its interface
// is deleted.
func newHarness(t *testing.T, userspace bool) meshtest.Harness {
	cfg := mesh.Defaults()
	kernel := meshtest.NewKernel(cfg, userspace)
	for _, ip := range meshtest.UnderlayIPs {
		kernel.SetUnderlay(ip, meshtest.UnderlayMTU)
	}
	others := kernel.Meddler()
	if userspace {
		kernel.StartDevice()
		others = restarting{others, kernel}
	}
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	return meshtest.Harness{
		Host:    kernel,
		Restart: func() meshtest.Host { return kernel },
		Meddler: others,
		Config:  cfg,
		Key:     keys.Public{1},
		Rekey:   func() keys.Public { return keys.Public{255} },
		Go:      group.Go,
	}
}

type restarting struct {
	meshtest.Meddler
	kernel *meshtest.Kernel
}

func (r restarting) DeleteLink() {
	r.Meddler.DeleteLink()
	r.kernel.StartDevice()
}

// want is a state with one of everything.
func want() mesh.State {
	gateway, pods := netip.MustParsePrefix("10.244.1.1/32"), netip.MustParsePrefix("10.244.2.0/24")
	return mesh.State{
		Link:     mesh.Link{Name: "warren0", MTU: 1420, Up: true, Addresses: []netip.Prefix{gateway}},
		Device:   mesh.Device{PublicKey: keys.Public{9}, Port: 51820},
		Peers:    []mesh.Peer{{PublicKey: keys.Public{1}, AllowedIPs: []netip.Prefix{pods}}},
		Routes:   []mesh.Route{{Table: mesh.TablePods, Destination: pods, Link: "warren0"}},
		Rules:    []mesh.Rule{{Incoming: "warren0", Table: mesh.TableNodes}},
		Firewall: mesh.Firewall{Link: "warren0", Bridge: "warren-br0", Port: 51820},
		Sysctls:  []mesh.Sysctl{{Name: "net/ipv4/ip_forward", Value: "1"}},
	}
}

// Any operation can be made to fail; it is told, and what does not need it is done.
func TestKernelFaults(t *testing.T) {
	broken := errors.New("broken")
	// What is left to do is as many lines of log as here.
	for kind, left := range map[string]int{
		"sysctl-set": 1, "nft-transaction": 7, "link-add": 5, "link-set": 2, "address-add": 1, "device-set": 1,
		"peer-set": 1, "route-add": 1, "rule-add": 1,
	} {
		t.Run(kind, func(t *testing.T) {
			kernel := meshtest.NewKernel(mesh.Defaults(), false)
			kernel.Fail(kind, broken)
			change := mesh.Diff(want(), observe(t, kernel))
			if err := kernel.Apply(t.Context(), change); !errors.Is(err, broken) {
				t.Errorf("error %v, want %v", err, broken)
			}
			rest := mesh.Diff(want(), observe(t, kernel))
			if got := len(rest.Lines()); got != left {
				t.Errorf("%d lines left, want %d: %v", got, left, rest.Lines())
			}
			kernel.Fail(kind, nil)
			if err := kernel.Apply(t.Context(), rest); err != nil {
				t.Errorf("mended: %v", err)
			}
			if rest := mesh.Diff(want(), observe(t, kernel)); !rest.Empty() {
				t.Errorf("mended, and left to do: %v", rest.Lines())
			}
		})
	}
}

func observe(t *testing.T, kernel *meshtest.Kernel) mesh.State {
	t.Helper()
	o, err := kernel.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o.State
}

// In userspace the device is waited for, and its TUN outlives it.
func TestKernelDeviceProcess(t *testing.T) {
	kernel := meshtest.NewKernel(mesh.Defaults(), true)
	apply := func() error { return kernel.Apply(t.Context(), mesh.Diff(want(), observe(t, kernel))) }
	if err := apply(); !errors.Is(err, mesh.ErrWaiting) {
		t.Errorf("without a process: %v, want %v", err, mesh.ErrWaiting)
	}
	kernel.StartDevice()
	if err := apply(); err != nil {
		t.Error(err)
	}
	kernel.StopDevice()
	if s := observe(t, kernel); len(s.Routes) != 1 || len(s.Link.Addresses) != 1 || len(s.Peers) != 0 {
		t.Errorf("after its process, the host has\n%s", s)
	}
	if err := apply(); !errors.Is(err, mesh.ErrWaiting) {
		t.Errorf("after its process: %v, want %v", err, mesh.ErrWaiting)
	}
}

func TestKernelHandshake(t *testing.T) {
	kernel := meshtest.NewKernel(mesh.Defaults(), false)
	if err := kernel.Apply(t.Context(), mesh.Diff(want(), observe(t, kernel))); err != nil {
		t.Fatal(err)
	}
	at, from := time.Unix(1000, 0), netip.MustParseAddrPort("203.0.113.9:4500")
	kernel.Handshake(keys.Public{1}, from, at)
	got, err := kernel.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status := mesh.PeerStatus{PublicKey: keys.Public{1}, Endpoint: from, LastHandshake: at}
	if !slices.Equal(got.Statuses, []mesh.PeerStatus{status}) || got.Peers[0].Endpoint != from {
		t.Errorf("peer %v, statuses %v", got.Peers[0], got.Statuses)
	}
	kernel.InitiateHandshakes(t.Context(), got.Peers)
	if diff := cmp.Diff(fmt.Sprint(got.Peers), fmt.Sprint(kernel.Initiated())); diff != "" {
		t.Errorf("handshakes (-want +got)\n%s", diff)
	}
}

// A lane of privileged tests must not be green for want of a tool.
func TestMissingTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	text := strings.Join(meshtest.Missing(), "\n")
	for _, tool := range []string{"nft", "ip"} {
		if !strings.Contains(text, fmt.Sprintf("%q", tool)) {
			t.Errorf("%s is not missed:\n%s", tool, text)
		}
	}
}
