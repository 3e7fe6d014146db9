package linux

import (
	"errors"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// Each refusal is one sentence that names what to do.
func TestPrivilegedRefusals(t *testing.T) {
	meshtest.Privileged(t)
	tests := []struct {
		name    string
		prepare func(t *testing.T, link string)
		want    error
		remedy  string
	}{
		{
			name:    "interface of another kind",
			prepare: func(t *testing.T, link string) { run(t, "ip link add "+link+" type bridge") },
			want:    ErrForeignLink,
			remedy:  "ip link delete",
		},
		{
			name:    "TAP of somebody's",
			prepare: func(t *testing.T, link string) { run(t, "ip tuntap add dev "+link+" mode tap") },
			want:    ErrForeignLink,
			remedy:  "ip link delete",
		},
		{name: "port taken", prepare: takePort, want: ErrPortTaken, remedy: "--port"},
		{
			name:    "no nft",
			prepare: func(t *testing.T, _ string) { t.Setenv("PATH", t.TempDir()) },
			want:    ErrNoNFT,
			remedy:  "install nftables",
		},
		{name: "not privileged", prepare: dropPrivilege, want: ErrNotPrivileged, remedy: "run as root"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			namespace.Enter(t)
			cfg := Config{Link: uniqueName(), Bridge: "warren-br0", Port: 51820}
			tt.prepare(t, cfg.Link)
			h, err := New(cfg)
			if err == nil {
				_ = h.Close()
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.remedy) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want %q with %q in one line", err, tt.want, tt.remedy)
			}
		})
	}
}

func takePort(t *testing.T, _ string) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 51820})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
}

// dropPrivilege is for the calling thread alone, which ends with the test.
func dropPrivilege(t *testing.T, _ string) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
}

// The mode decides, or what the kernel can do, whatever device is there.
func TestPrivilegedChoose(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	missing := KernelWireGuard()
	if missing != nil && !errors.Is(missing, ErrNoKernelWireGuard) {
		t.Fatal(missing)
	}
	best := Kernel
	if missing != nil {
		best = Userspace
	}
	absent, tun := uniqueName(), uniqueName()
	run(t, "ip tuntap add dev "+tun+" mode tun")
	for link, existing := range map[string]Mode{absent: "", tun: Userspace} {
		for mode, want := range map[Mode]Mode{Auto: best, "": best, Userspace: Userspace} {
			c, err := Choose(mode, link)
			if c.Mode != want || err != nil || c.Reason == "" || c.Existing != existing {
				t.Errorf("%q: %+v, %v; want %s in place of %q", mode, c, err, want, existing)
			}
			if replaces := strings.Contains(c.Reason, "replaced"); replaces != (existing != "" && existing != want) {
				t.Errorf("%q: the reason is %q", mode, c.Reason)
			}
		}
		if _, err := Choose(Kernel, link); errors.Is(err, ErrNoKernelWireGuard) != (missing != nil) {
			t.Errorf("kernel: %v, want %v", err, missing)
		}
	}
	if left := run(t, "ip -o link show"); strings.Contains(left, "warren-") {
		t.Errorf("the trial left something behind:\n%s", left)
	}
}
