package linux

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/ipc"
	"golang.zx2c4.com/wireguard/tun"
)

// deviceEnv has this test binary be a userspace WireGuard device of that name instead of running tests. A process of
// its own is wholly in the network namespace of the thread that starts it; goroutines of the test are not.
const deviceEnv = "WARREN_TEST_DEVICE"

func TestMain(m *testing.M) {
	if name := os.Getenv(deviceEnv); name != "" {
		if err := runDevice(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runDevice is a plain device without a thing of warren's, until somebody deletes its interface.
func runDevice(name string) error {
	tunnel, err := tun.CreateTUN(name, device.DefaultMTU)
	if err != nil {
		return err
	}
	if os.Getenv(deviceEnv+"_PERSIST") != "" {
		if err := unix.IoctlSetInt(int(tunnel.File().Fd()), unix.TUNSETPERSIST, 1); err != nil {
			return err
		}
	}
	socket, err := ipc.UAPIOpen(name)
	if err != nil {
		return err
	}
	uapi, err := ipc.UAPIListen(name, socket)
	if err != nil {
		return err
	}
	defer uapi.Close()
	d := device.NewDevice(tunnel, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, name+" "))
	go func() {
		for {
			client, err := uapi.Accept()
			if err != nil {
				return
			}
			go d.IpcHandle(client)
		}
	}()
	fmt.Println("ready")
	<-d.Wait()
	return nil
}

// deviceProcess is a running device process. It ends with the test's thread.
type deviceProcess struct {
	t   *testing.T
	cmd *exec.Cmd
}

// startDevice returns when the device answers. The calling goroutine must be locked to its thread.
func startDevice(t *testing.T, name string, env ...string) *deviceProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), append(env, deviceEnv+"="+name)...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &deviceProcess{t: t, cmd: cmd}
	t.Cleanup(func() {
		d.kill()
		_ = os.Remove("/var/run/wireguard/" + name + ".sock")
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("device process %s: %q %v", name, line, err)
	}
	return d
}

// kill ends the process without notice, and waits for its end.
func (d *deviceProcess) kill() {
	_ = d.cmd.Process.Kill()
	d.wait()
}

// signal sends a signal.
func (d *deviceProcess) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// wait waits for the end of the process.
func (d *deviceProcess) wait() { _ = d.cmd.Wait() }

// uniqueName is an interface's name that no other test has: device processes of all network namespaces meet in
// /var/run/wireguard.
func uniqueName() string {
	var random [4]byte
	_, _ = rand.Read(random[:])
	return "wt" + hex.EncodeToString(random[:])
}
