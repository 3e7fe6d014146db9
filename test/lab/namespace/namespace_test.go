package namespace_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// sleeper starts a process in namespaces of its own.
func sleeper(t *testing.T) (*exec.Cmd, namespace.Identity) {
	t.Helper()
	c := exec.Command("sleep", "1000")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := namespace.Identify(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := id.Kill(10 * time.Second); err != nil {
			t.Error(err)
		}
		_ = c.Wait()
	})
	return c, id
}

func open(t *testing.T, id namespace.Identity) *namespace.Set {
	t.Helper()
	set, err := namespace.Open(id.PID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	return set
}

func TestPrivilegedDo(t *testing.T) {
	meshtest.Privileged(t)
	_, id := sleeper(t)
	set := open(t, id)
	var inside []net.Interface
	err := set.Do(func() (err error) {
		inside, err = net.Interfaces()
		return err
	})
	if err != nil || len(inside) != 1 || inside[0].Name != "lo" {
		t.Errorf("inside there are %v, %v; want lo alone", inside, err)
	}
}

// However often, no thread that others run on is left in another namespace, and neither is the one that /proc/self
// tells of.
func TestPrivilegedDoLeavesNothing(t *testing.T) {
	meshtest.Privileged(t)
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	_, id := sleeper(t)
	set := open(t, id)
	for range 200 {
		if err := set.Do(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/proc/self/ns/net", "/proc/thread-self/ns/net"} {
			if now, err := os.Readlink(path); now != here {
				t.Fatalf("%s is %s, %v; want %s", path, now, err, here)
			}
		}
	}
}

// A test that fails inside of Do must not hang.
func TestPrivilegedDoEnds(t *testing.T) {
	meshtest.Privileged(t)
	_, id := sleeper(t)
	if err := open(t, id).Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("a function that did not return succeeded")
	}
}

func TestPrivilegedStart(t *testing.T) {
	meshtest.Privileged(t)
	_, id := sleeper(t)
	set := open(t, id)
	var out bytes.Buffer
	c := exec.Command("sh", "-c", "hostname inside; hostname; echo $$; ls /sys/class/net")
	c.Stdout, c.Stderr = &out, &out
	if err := set.Start(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	// sleep is process 1, so the shell is the second.
	if got := strings.Fields(out.String()); len(got) < 2 || got[0] != "inside" || got[1] != "2" {
		t.Errorf("inside it says %q", got)
	}
	if name, err := os.Hostname(); err != nil || name == "inside" {
		t.Errorf("this host is now called %s, %v", name, err)
	}
}

func TestPrivilegedKillTakesAll(t *testing.T) {
	meshtest.Privileged(t)
	first, id := sleeper(t)
	second := exec.Command("sleep", "1000")
	if err := open(t, id).Start(second); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- second.Wait() }()
	if err := id.Kill(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{first.Wait(), <-ended} {
		if err == nil {
			t.Error("it ended by itself")
		}
	}
	if id.Alive() {
		t.Error("it is alive")
	}
	if err := id.Kill(time.Second); err != nil {
		t.Errorf("killed again: %v", err)
	}
	if _, err := namespace.Open(id.PID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its namespaces: %v", err)
	}
}

// A recorded process whose PID now belongs to another is not killed.
func TestKillSparesOthers(t *testing.T) {
	c := exec.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := namespace.Identify(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	earlier := namespace.Identity{PID: id.PID, Start: id.Start - 1}
	if earlier.Alive() {
		t.Error("the earlier process is alive")
	}
	if err := earlier.Kill(time.Second); err != nil {
		t.Error(err)
	}
	if !id.Alive() {
		t.Error("the wrong process was killed")
	}
	_ = c.Process.Kill()
	_ = c.Wait()
}

// The kernel gives the PID of a process that ended to a thread too, of which it opens no descriptor.
func TestKillSparesThreads(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread := make(chan int)
	done := make(chan struct{})
	defer close(done)
	go func() {
		runtime.LockOSThread()
		thread <- unix.Gettid()
		<-done
	}()
	id := namespace.Identity{PID: <-thread, Start: 1}
	if id.PID == os.Getpid() {
		id.PID = unix.Gettid() // The test itself has another thread than the first, then.
	}
	if _, err := unix.PidfdOpen(id.PID, 0); err == nil {
		t.Fatalf("%d is a process, not a thread", id.PID)
	}
	if err := id.Kill(time.Second); err != nil {
		t.Error(err)
	}
}
