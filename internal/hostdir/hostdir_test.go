package hostdir

import "testing"

func TestRootOf(t *testing.T) {
	const table = `22 1 0:20 / / rw - overlay overlay rw
30 22 0:21 /warren /run/warren rw - tmpfs tmpfs rw
31 22 8:1 /etc/cni/net.d.bak /etc/cni/net.d rw - ext4 /dev/sda1 rw
32 22 0:21 /a\040b /run/a\040b rw - tmpfs tmpfs rw
33 22 0:21 /later /run/warren rw - tmpfs tmpfs rw
`
	for dir, want := range map[string]string{
		"/run/warren": "/later", "/etc/cni/net.d": "/etc/cni/net.d.bak", "/run/a b": `/a\040b`, "/run": "",
		"/run/warren/cni": "",
	} {
		if got := rootOf(table, dir); got != want {
			t.Errorf("%s is mounted from %q, want %q", dir, got, want)
		}
	}
}
