package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
)

// advertised is a node whose IPv6 default route comes from its router's advertisements.
type advertised struct {
	*lab.Lab
	*lab.Node
}

const acceptRA = "net.ipv6.conf.eth0.accept_ra"

// A node keeps the default route that router advertisements give it, and takes the next ones; once uninstalled, it goes
// by them as before.
func TestPrivilegedRouterAdvertisements(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	l := lab.Start(t, lab.Options{Family: lab.Dual, Nodes: 2})
	n := advertised{l, l.Node(1)}
	// The lab's nodes have a default route by configuration; this one's kernel asks its router.
	n.MustExec(t, "sysctl", "-qw", acceptRA+"=1")
	n.MustExec(t, "ip", "-6", "route", "delete", "default")
	n.Advertise(t, time.Hour)
	n.wantAdvertised(t)
	n.wantSysctls(t, "1 0")

	l.StartMesh(t)
	pod := n.AddPod(t, "a")
	n.wantOut(t, n.Host, pod.Host)
	n.wantSysctls(t, "2 1")
	n.renew(t, pod.Host)

	// Somebody sets it back; later a network manager takes over.
	n.MustExec(t, "sysctl", "-qw", acceptRA+"=1")
	n.wantSysctls(t, "2 1")
	n.MustExec(t, "sysctl", "-qw", acceptRA+"=0", "net.ipv4.conf.all.src_valid_mark=0")
	lab.Wait(t, patience, "a repair after the network manager has come", func() error {
		return same("src_valid_mark", n.sysctls("net.ipv4.conf.all.src_valid_mark"), "1")
	})
	n.wantSysctls(t, "0 1")
	n.MustExec(t, "sysctl", "-qw", acceptRA+"=1")
	n.wantSysctls(t, "2 1")

	pod.Delete(t)
	n.StopDaemon(t)
	n.KillDevice(t)
	if out, err := uninstall(t, l, n.Node); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n.wantSysctls(t, "1 0")
	n.renew(t)
}

func same(what, got, want string) error {
	if got != want {
		return fmt.Errorf("%s: %q, want %q", what, got, want)
	}
	return nil
}

// renew has the router say that it is none any more, and then that it is one again.
func (n advertised) renew(t *testing.T, pods ...*host.Host) {
	t.Helper()
	n.Advertise(t, 0)
	lab.Wait(t, patience, "the default route to go", func() error { return same("the default route", n.route(), "") })
	n.Advertise(t, time.Hour)
	n.wantAdvertised(t)
	n.wantOut(t, append(pods, n.Host)...)
}

// route returns the default route.
func (n advertised) route() string {
	out, err := n.Exec("ip", "-6", "route", "show", "default")
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out)
}

// wantAdvertised waits until the default route is an advertised one.
func (n advertised) wantAdvertised(t *testing.T) {
	t.Helper()
	lab.Wait(t, patience, "the advertised default route", func() error {
		if route := n.route(); !strings.Contains(route, "proto ra ") {
			return fmt.Errorf("the default route is %q", route)
		}
		return nil
	})
}

// wantOut wants each of the hosts to reach the outside by IPv6.
func (n advertised) wantOut(t *testing.T, hosts ...*host.Host) {
	t.Helper()
	outside := n.Outside.Addrs()[1]
	for _, h := range hosts {
		if _, err := h.Ping(outside); err != nil {
			t.Errorf("%s does not reach the outside: %v; its node's default route is %q", h.Name, err, n.route())
		}
	}
}

// wantSysctls waits until accept_ra of the uplink and IPv6 forwarding have these values.
func (n advertised) wantSysctls(t *testing.T, values string) {
	t.Helper()
	lab.Wait(t, patience, "accept_ra and forwarding", func() error {
		return same("sysctls", n.sysctls(acceptRA, "net.ipv6.conf.all.forwarding"), values)
	})
}

func (n advertised) sysctls(names ...string) string {
	out, err := n.Exec("sysctl", append([]string{"-n"}, names...)...)
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(out), " ")
}
