package meshtest

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// PrivilegedEnv names the environment variable that asks for privileged tests, by the value 1.
const PrivilegedEnv = "WARREN_PRIVILEGED"

// Privileged skips the test unless privileged tests were asked for. If they were and something that they need is
// missing, the test fails: a lane that skips everything would be green for the wrong reason.
//
// Tests that call it are named TestPrivileged…; they make network namespaces of their own and leave the root namespace
// alone.
func Privileged(t testing.TB) {
	t.Helper()
	if os.Getenv(PrivilegedEnv) != "1" {
		t.Skipf("needs root: set %s=1 to run it", PrivilegedEnv)
	}
	for _, missing := range missing() {
		t.Errorf("%s=1, but %s", PrivilegedEnv, missing)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// missing returns what privileged tests need and this machine lacks, one sentence each.
func missing() []string {
	var lacks []string
	if !may(unix.CAP_NET_ADMIN) || !may(unix.CAP_SYS_ADMIN) {
		lacks = append(lacks, "CAP_NET_ADMIN or CAP_SYS_ADMIN is missing: run as root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		lacks = append(lacks, "there is no TUN device: "+err.Error())
	}
	for _, tool := range []string{"nft", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			lacks = append(lacks, err.Error())
		}
	}
	return lacks
}

// may reports whether this process has the capability in effect.
func may(capability int) bool {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
