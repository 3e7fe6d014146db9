package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/userspace"
	"warren.mesh/test/lab/namespace"
)

// asWarren has the test's binary be warren.
const asWarren = "WARREN_TEST_AS_WARREN"

func TestMain(m *testing.M) {
	if os.Getenv(asWarren) != "" {
		main()
	}
	os.Exit(m.Run())
}

// endsWithin bounds how long a daemon may take to end.
const endsWithin = 30 * time.Second

// kubeconfig is of an API server that does not answer.
const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
`

// A daemon whose directory is moved on the host ends, and its last line says which and what to do. The next one, with
// that directory mounted anew, works until it loses another.
func TestPrivilegedDaemonLeavesALostDirectory(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	ownMounts(t)
	host, container := t.TempDir(), t.TempDir()
	for _, dir := range []string{host, container} { // the run directory has to be on tmpfs
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	at := func(name string) string { return filepath.Join(container, name) }
	dirs := []string{at("net.d"), at("run"), at("bin"), "/var/lib/cni", userspace.SocketDir}
	for _, dir := range dirs {
		bind(t, filepath.Join(host, filepath.Base(dir)), dir)
	}
	if err := os.WriteFile(at("kubeconfig"), []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		source := filepath.Join(host, filepath.Base(dir))
		ctx, cancel := context.WithTimeout(t.Context(), endsWithin)
		daemon := exec.CommandContext(ctx, "/proc/self/exe", "daemon", "--node-name=a", "--wireguard=userspace",
			"--kubeconfig="+at("kubeconfig"), "--key-file="+at("private.key"), "--metrics-address=",
			"--health-address=", "--network-policy=off", "--cni-conf-dir="+at("net.d"), "--run-dir="+at("run"),
			"--cni-bin-dir="+at("bin"))
		daemon.Env = append(os.Environ(), asWarren+"=1")
		daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		last := followUntil(t, daemon, "starting", func() {
			if err := os.Rename(source, source+".bak"); err != nil {
				t.Fatal(err)
			}
		})
		cancel()
		want := "directory " + dir + " was moved on the host"
		if !strings.Contains(last, want) || !strings.Contains(last, "restart the container") {
			t.Fatalf("the daemon's last line is %q, want it to say %q and the remedy", last, want)
		}
		if daemon.ProcessState.ExitCode() <= 0 {
			t.Errorf("without %s the daemon ended with %v", dir, daemon.ProcessState)
		}
		if err := unix.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
		bind(t, source, dir)
	}
}

// followUntil runs a command, calls do when a line of its log has text, and returns the last line when it has ended.
func followUntil(t *testing.T, cmd *exec.Cmd, text string, do func()) (last string) {
	t.Helper()
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	done := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		last = lines.Text()
		if !done && strings.Contains(last, text) {
			done = true
			do()
		}
	}
	_ = cmd.Wait()
	if !done {
		t.Fatalf("no line says %q, the last is %q", text, last)
	}
	return last
}
