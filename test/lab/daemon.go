package lab

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"time"

	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/machine"
)

// stopTimeout bounds the end after SIGTERM: the grace period of the manifests.
const stopTimeout = 10 * time.Second

// StartMesh starts device and daemon on every node, all at once, and waits until all are ready and have programmed each
// other.
func (l *Lab) StartMesh(t TB, daemonArgs ...string) {
	t.Helper()
	nodes := l.Nodes()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			errs[i] = errors.Join(n.startDevice(t.Context(), nil),
				n.startDaemon(t.Context(), daemonArgs))
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("start the mesh: %v", err)
	}
	for _, n := range nodes {
		n.WaitReady(t)
	}
	l.WaitMeshed(t)
}

// StartDevice starts `warren wireguard` as a process of its own. On a kernel with WireGuard it idles, as it would
// there.
func (n *Node) StartDevice(t TB, args ...string) {
	t.Helper()
	if err := n.startDevice(t.Context(), args); err != nil {
		t.Fatalf("%v", err)
	}
}

// prompt runs a command before everything else on this machine, where the kernel permits. A real node has the processor
// for its data path; here the scheduler alone would lose packets, because a TUN device holds no more than 500 of them.
var prompt = []string{"sh", "-c", `chrt --rr --pid 1 $$ 2>/dev/null; exec "$@"`, "sh"}

// Prompt is a command that is run as the lab's devices are: before everything else on this machine.
func Prompt(command ...string) []string { return slices.Concat(prompt, command) }

func (n *Node) startDevice(ctx context.Context, args []string) (err error) {
	if err := n.device.Absent(); err != nil {
		return err
	}
	n.device, err = n.start(ctx, "wireguard", prompt, args)
	return err
}

// StartDaemon starts `warren daemon` with the node's own pod-bound token and the lab's cluster CIDRs, after `warren
// install-cni` as in the manifests; args are further flags. It does not wait for anything.
func (n *Node) StartDaemon(t TB, args ...string) {
	t.Helper()
	if err := n.startDaemon(t.Context(), args); err != nil {
		t.Fatalf("%v", err)
	}
}

func (n *Node) startDaemon(ctx context.Context, args []string) error {
	if err := n.daemon.Absent(); err != nil {
		return err
	}
	kubeconfig, err := n.credential(ctx)
	if err != nil {
		return err
	}
	warren, err := n.lab.programs.Warren(ctx)
	if err != nil {
		return err
	}
	if _, err := n.Output(ctx, host.Command{Path: warren,
		Args: []string{"install-cni", "--cni-plugins=" + n.lab.programs.Plugins}}); err != nil {
		return err
	}
	args = append([]string{
		"--node-name=" + n.Name, "--kubeconfig=" + kubeconfig, "--cluster-cidrs=" + commas(n.lab.ClusterCIDRs()),
		"--cni-plugins=" + n.lab.programs.Plugins,
		// What nobody asks for would keep silent nodes' sessions and mappings alive, which tests are about.
		"--probe-interval=0",
	}, args...)
	n.daemon, err = n.start(ctx, "daemon", nil, args)
	return err
}

// start starts a subcommand of warren on the node, behind a command that executes it (or none).
func (n *Node) start(ctx context.Context, subcommand string, behind, args []string) (*host.Process, error) {
	warren, err := n.lab.programs.Warren(ctx)
	if err != nil {
		return nil, err
	}
	command := slices.Concat(behind, []string{warren, subcommand}, args)
	return n.Start(host.Program{
		Name: subcommand + " of " + n.Name, Path: command[0], Args: command[1:], Log: n.subcommandLog(subcommand),
	})
}

// StopDaemon sends SIGTERM and waits for the end, which must be a success.
func (n *Node) StopDaemon(t TB) {
	t.Helper()
	n.stop(t, n.daemon)
}

// StopDevice sends SIGTERM and waits for the end, which must be a success.
func (n *Node) StopDevice(t TB) {
	t.Helper()
	n.stop(t, n.device)
}

func (n *Node) stop(t TB, p *host.Process) {
	t.Helper()
	if err := p.Signal(syscall.SIGTERM, stopTimeout); err != nil {
		t.Fatalf("%v", err)
	}
	if err := p.ExitError(); err != nil {
		t.Fatalf("%s ended with %v after SIGTERM; its log ends with:\n%s", p.Name, err, host.Tail(p.Log, 15))
	}
}

// KillDaemon sends SIGKILL and waits for the end.
func (n *Node) KillDaemon(t TB) {
	t.Helper()
	n.kill(t, n.daemon)
}

// KillDevice sends SIGKILL and waits for the end.
func (n *Node) KillDevice(t TB) {
	t.Helper()
	n.kill(t, n.device)
}

// CrashDevice sends SIGKILL to the process that has the device, whose supervisor starts another one.
func (n *Node) CrashDevice(t TB) {
	t.Helper()
	n.signalDevice(t, syscall.SIGKILL)
}

// HangDevice stops the process that has the device, which neither answers nor ends then.
func (n *Node) HangDevice(t TB) {
	t.Helper()
	n.signalDevice(t, syscall.SIGSTOP)
}

func (n *Node) signalDevice(t TB, s syscall.Signal) {
	t.Helper()
	child, err := n.device.Child()
	if err == nil {
		err = syscall.Kill(child, s)
	}
	if err != nil {
		t.Fatalf("send %v to the device of %s: %v", s, n.Name, err)
	}
}

// HangSupervisor stops the device's supervisor and calls during, after which the supervisor goes on.
func (n *Node) HangSupervisor(t TB, during func()) {
	t.Helper()
	if err := n.device.Suspend(during); err != nil {
		t.Fatalf("stop %s for a while: %v", n.device.Name, err)
	}
}

func (n *Node) kill(t TB, p *host.Process) {
	t.Helper()
	if err := p.Signal(syscall.SIGKILL, machine.KillTimeout); err != nil {
		t.Fatalf("%v", err)
	}
}

// WaitDaemon waits for the daemon to end by itself and returns its exit code: for what it refuses to do.
func (n *Node) WaitDaemon(t TB) (code int) {
	t.Helper()
	if !n.daemon.Wait(readyTimeout) {
		t.Fatalf("%s has not ended in %v; its log ends with:\n%s", n.daemon.Name, readyTimeout,
			host.Tail(n.daemonLog(), 15))
	}
	return n.daemon.ExitCode()
}

// DevicePeak is the most memory, in bytes, that the node's process with the device has had in use at one time.
func (n *Node) DevicePeak(t TB) int {
	t.Helper()
	peak, err := host.PeakMemory(n.devicePID(t))
	if err != nil {
		t.Fatalf("memory of the device of %s: %v", n.Name, err)
	}
	return peak
}

// Usage is what a process of warren's uses.
type Usage struct {
	// Memory is in use now and Peak was the most so far, in bytes.
	Memory, Peak int
	// Processor is the time that it has had on a processor.
	Processor time.Duration
}

// DaemonUsage is that of the node's daemon.
func (n *Node) DaemonUsage(t TB) Usage {
	t.Helper()
	return usage(t, n.daemon.PID())
}

// DeviceUsage is that of the node's process with the device, without its supervisor.
func (n *Node) DeviceUsage(t TB) Usage {
	t.Helper()
	return usage(t, n.devicePID(t))
}

func (n *Node) devicePID(t TB) int {
	t.Helper()
	pid, err := n.device.Child()
	if err != nil {
		t.Fatalf("the device of %s: %v", n.Name, err)
	}
	return pid
}

func usage(t TB, pid int) (u Usage) {
	t.Helper()
	var errs [3]error
	u.Memory, errs[0] = host.Memory(pid)
	u.Peak, errs[1] = host.PeakMemory(pid)
	u.Processor, errs[2] = host.ProcessorTime(pid)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatalf("what a process uses: %v", err)
	}
	return u
}

func (n *Node) daemonLog() string { return n.subcommandLog("daemon") }
func (n *Node) deviceLog() string { return n.subcommandLog("wireguard") }

func (n *Node) subcommandLog(subcommand string) string {
	return n.lab.Log(n.Name + "-" + subcommand)
}
