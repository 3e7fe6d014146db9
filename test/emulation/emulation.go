// Package emulation runs programs for another architecture on this machine by qemu-user. It leaves the machine as it
// is: what the kernel is told of the emulator holds in a user namespace that ends with the command.
package emulation

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// machine is what the kernel and qemu call an architecture.
type machine struct {
	// number is the low byte of e_machine in an ELF header (elf(5)).
	number byte
	// emulator is the program of Debian's qemu-user-static.
	emulator string
}

var machines = map[string]machine{
	"amd64": {0x3e, "qemu-x86_64-static"},
	"arm64": {0xb7, "qemu-aarch64-static"},
}

// Command returns a command like exec.CommandContext's. Where it executes a program for arch (as GOARCH says it), and
// where its children do, the kernel has the emulator run it. It needs root and, for the namespace, Linux 6.7. All users
// and groups are the same in the namespace as outside. For this machine's own architecture it is exec.CommandContext.
func Command(ctx context.Context, arch, name string, args ...string) (*exec.Cmd, error) {
	if arch == runtime.GOARCH {
		// The emulator is of this architecture too: it would be told to emulate itself.
		return exec.CommandContext(ctx, name, args...), nil
	}
	m, ok := machines[arch]
	if !ok {
		return nil, fmt.Errorf("emulate %s: no emulator is known", arch)
	}
	emulator, err := exec.LookPath(m.emulator)
	if err != nil {
		return nil, fmt.Errorf("emulate %s (Debian's package qemu-user-static has the emulator): %w", arch, err)
	}
	c := exec.CommandContext(ctx, "sh", append([]string{"-c", script, "sh", m.format(emulator), name}, args...)...)
	all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1 << 16}}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: all, GidMappings: all, GidMappingsEnableSetgroups: true,
	}
	return c, nil
}

// script registers a format ($1) with the namespace's own binfmt_misc and becomes the command (the other arguments).
const script = `binfmt=/proc/sys/fs/binfmt_misc
mount --make-rprivate / && mount -t binfmt_misc binfmt_misc $binfmt && printf %s "$1" >$binfmt/register || {
  echo "emulation: no binfmt_misc of its own; this needs root and Linux 6.7" >&2
  exit 1
}
shift
exec "$@"`

// format returns the line for the kernel (Documentation/admin-guide/binfmt-misc.rst): the first 20 bytes of 64-bit ELF
// programs for this machine, as qemu's scripts/qemu-binfmt-conf.sh has them. With F the kernel opens the emulator now,
// so that it need not be there after a chroot.
func (m machine) format(emulator string) string {
	return ":warren:M::" +
		`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00` + fmt.Sprintf(`\x%02x\x00`, m.number) + ":" +
		`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff` + ":" + emulator + ":F"
}
