package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// machine is a virtual one, that boots and ends by itself.
type machine struct {
	kernel, initramfs string
	// memory is as qemu's -m takes it.
	memory string
	// dir gets console.log, which the kernel and init write, and outcome.log.
	dir string
	// counted has the guest's clock count instructions, 4 ns each, instead of time: what it measures is the same on a
	// busy machine, and slower to come by.
	counted bool
	// timeout ends it, whatever it does.
	timeout time.Duration
}

// arguments are qemu's. Not -accel kvm, although there may be a /dev/kvm: where that is another hypervisor's, qemu
// hangs. Not -machine microvm: two of five boots hung. No AVX, which glibc would take for fast.
func (m machine) arguments() []string {
	// A panic reboots at once, and a reboot ends qemu; an oops is a panic. What mitigations cost under emulation
	// protects nobody.
	const parameters = "console=ttyS0 quiet panic=-1 oops=panic mitigations=off"
	accelerator := []string{"-accel", "tcg,thread=multi"}
	if m.counted {
		accelerator = []string{"-accel", "tcg,thread=single", "-icount", "shift=2,sleep=off"}
	}
	return append(accelerator,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "q35", "-cpu", "max,-avx,-avx2", "-smp", "2", "-m", m.memory,
		"-kernel", m.kernel, "-initrd", m.initramfs, "-append", parameters,
		"-serial", "file:"+m.console(), "-serial", "file:"+m.outcome(),
	)
}

func (m machine) console() string { return filepath.Join(m.dir, "console.log") }
func (m machine) outcome() string { return filepath.Join(m.dir, "outcome.log") }

// run boots the machine, waits for its end and returns what it wrote as outcome. The error says how it ended, if not by
// itself, with the end of its console; the outcome is what there was by then.
func (m machine) run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	c := exec.CommandContext(ctx, "qemu-system-x86_64", m.arguments()...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	// Should this process be killed, the machine ends, too. The signal comes with the end of the thread that forked.
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("it has not ended in %v: %w", m.timeout, ctx.Err())
	}
	outcome, readErr := os.ReadFile(m.outcome())
	if err = errors.Join(err, readErr); err != nil {
		err = fmt.Errorf("run a virtual machine: %w\n%s\n%s", err, said.Bytes(), tail(m.console()))
	}
	return outcome, err
}

// tail is the end of a console, for people.
func tail(file string) []byte {
	content, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	const enough = 4000
	return content[max(0, len(content)-enough):]
}
