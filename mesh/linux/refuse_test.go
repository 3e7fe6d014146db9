package linux

import (
	"errors"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
)

// Each refusal is one sentence that names what to do.
func TestPrivilegedRefusals(t *testing.T) {
	meshtest.Privileged(t)
	tests := []struct {
		name    string
		prepare func(t *testing.T, link string)
		mode    Mode
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
		{
			name:    "userspace device in mode kernel",
			prepare: func(t *testing.T, link string) { run(t, "ip tuntap add dev "+link+" mode tun") },
			mode:    Kernel,
			want:    ErrForeignLink,
			remedy:  "change --wireguard",
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
			newNetns(t)
			cfg := Config{Link: uniqueName(), Bridge: "warren-br0", Port: 51820, Mode: tt.mode}
			tt.prepare(t, cfg.Link)
			h, err := New(cfg)
			if err == nil {
				_ = h.Close()
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.remedy) || strings.Contains(err.Error(), "\n") {
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

// What the kernel can do decides, unless the mode or an interface does.
func TestPrivilegedChoose(t *testing.T) {
	meshtest.Privileged(t)
	newNetns(t)
	absent, link := uniqueName(), uniqueName()
	missing := KernelWireGuard()
	if missing != nil && !errors.Is(missing, ErrNoKernelWireGuard) {
		t.Fatal(missing)
	}
	mode, reason, err := Choose(Auto, absent)
	if want := map[bool]Mode{true: Kernel, false: Userspace}[missing == nil]; mode != want || err != nil || reason == "" {
		t.Errorf("auto: %s (%s), %v; want %s", mode, reason, err, want)
	}
	if mode, _, err := Choose(Userspace, absent); mode != Userspace || err != nil {
		t.Errorf("userspace: %s, %v", mode, err)
	}
	if _, _, err := Choose(Kernel, absent); errors.Is(err, ErrNoKernelWireGuard) != (missing != nil) {
		t.Errorf("kernel: %v, want %v", err, missing)
	}
	run(t, "ip tuntap add dev "+link+" mode tun")
	for _, m := range []Mode{Auto, "", Userspace} {
		if mode, reason, err := Choose(m, link); mode != Userspace || err != nil || !strings.Contains(reason, "exists") {
			t.Errorf("%q with a TUN: %s (%s), %v", m, mode, reason, err)
		}
	}
	if left := run(t, "ip -o link show"); strings.Contains(left, "warren-") {
		t.Errorf("the trial left something behind:\n%s", left)
	}
}
