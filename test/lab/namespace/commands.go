package namespace

import (
	"os"
	"os/exec"
	"strings"
)

// Run runs commands, one a line, in the calling thread's namespace and returns what they print; the test ends where one
// fails.
func Run(t TB, commands string) string {
	t.Helper()
	var all strings.Builder
	for line := range strings.Lines(commands) {
		args := strings.Fields(line)
		if len(args) == 0 {
			continue
		}
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.TrimSpace(line), err, out)
		}
		all.Write(out)
	}
	return all.String()
}

// Quiet turns off what would delay or add packets in the calling thread's namespace, duplicate address detection and
// strict reverse path checks, turns forwarding on, and brings the loopback interface up.
func Quiet(t TB) {
	t.Helper()
	for file, value := range map[string]string{
		"ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0",
		"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
		"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1",
	} {
		if err := os.WriteFile("/proc/sys/net/"+file, []byte(value), 0o644); err != nil {
			t.Fatalf("%v", err)
		}
	}
	Run(t, "ip link set lo up")
}
