package linux

import (
	"fmt"
	"path/filepath"

	"warren.mesh/keys"
	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/linux/sysctl"
)

// Config configures a Host. Link, Bridge and Key are required.
type Config struct {
	// Link and Bridge are the names of the WireGuard interface and of the pods' bridge, as in mesh.Config.
	Link, Bridge string
	// Port is WireGuard's UDP port; New refuses when something else listens on it. Zero checks nothing.
	Port uint16
	// OpenFirewall has iptables let in what it drops of the mesh's; see PassFirewalls.
	OpenFirewall bool
	// ProbePort is the UDP port of probes inside the mesh, which OpenFirewall lets in too; zero for none.
	ProbePort uint16
	// Key returns the private key, which goes into the device; it is asked at each write of the device and may return
	// another one than before. Apply refuses a change to a device with another public key.
	Key func() keys.Private
	// Mode says where the device comes from; empty means Auto.
	Mode Mode
	// RunDir is a directory on tmpfs in which Host notes the sysctls that Remove puts back; empty puts none back.
	RunDir string
}

func (c Config) sysctls(conn *rtnl.Conn, count func(kind string)) *sysctl.Sysctls {
	s := &sysctl.Sysctls{
		Conn: conn, Count: count, Root: sysctl.Root, Fallback: sysctl.HostRoot, Link: c.Link, Bridge: c.Bridge,
	}
	if c.RunDir != "" {
		s.Record = filepath.Join(c.RunDir, "sysctls")
	}
	return s
}

// Mode says where the WireGuard device comes from. A device of another Mode is replaced.
type Mode string

// The modes, as --wireguard names them.
const (
	// Auto is Kernel where the kernel has WireGuard and else Userspace.
	Auto Mode = "auto"
	// Kernel is the kernel's own device. The Host creates it.
	Kernel Mode = "kernel"
	// Userspace is the process `warren wireguard`. It creates the interface; the Host waits for it.
	Userspace Mode = "userspace"
)

// ParseMode parses the value of --wireguard.
func ParseMode(text string) (Mode, error) {
	switch m := Mode(text); m {
	case Auto, Kernel, Userspace:
		return m, nil
	}
	return "", fmt.Errorf("wireguard mode %q: want %s, %s or %s", text, Auto, Kernel, Userspace)
}
