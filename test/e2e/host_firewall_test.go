package e2e

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
)

// droppers are what others have iptables do with all that nobody lets in, in a shell: %s is iptables or ip6tables.
var droppers = []struct{ name, commands string }{
	{"docker", `
		%[1]s -P FORWARD DROP
		%[1]s -N DOCKER-USER; %[1]s -A FORWARD -j DOCKER-USER
		%[1]s -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		%[1]s -A FORWARD -i docker0 ! -o docker0 -j ACCEPT`},
	{"ufw", `
		%[1]s -P FORWARD DROP; %[1]s -P INPUT DROP
		%[1]s -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		%[1]s -A INPUT ! -i eth0 -j ACCEPT
		%[1]s -A INPUT -p ipv6-icmp -j ACCEPT
		%[1]s -N ufw-before-forward; %[1]s -A FORWARD -j ufw-before-forward
		%[1]s -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`},
	{"reject", `
		%[1]s -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		%[1]s -A FORWARD -j REJECT`},
}

// cleanUp removes them.
const cleanUp = `
	%[1]s -P FORWARD ACCEPT; %[1]s -P INPUT ACCEPT; %[1]s -F; %[1]s -X`

// inBoth runs iptables' commands for IPv4 and IPv6.
func inBoth(t *testing.T, n *lab.Node, commands string) {
	t.Helper()
	for _, name := range []string{"iptables-nft", "ip6tables-nft"} {
		n.MustExec(t, "sh", "-ec", fmt.Sprintf(commands, name))
	}
}

// testIPTables has iptables drop or reject what is forwarded on node3: while the daemon runs, and before it starts.
func testIPTables(t *testing.T, h *hosts) {
	n := h.three
	for _, d := range droppers {
		for _, running := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, daemon running %v", d.name, running), func(t *testing.T) {
				if !running {
					n.StopDaemon(t)
				}
				inBoth(t, n, d.commands)
				defer inBoth(t, n, cleanUp)
				if !running {
					n.StartDaemon(t)
					n.WaitReady(t)
				}
				h.wantThrough(t)
				inBoth(t, n, "%[1]s -F FORWARD; %[1]s -P FORWARD DROP") // a reload
				h.wantThrough(t)
			})
		}
	}
}

// testOtherFirewall has a table of nftables drop what is forwarded on node3, by its policy. The daemon says so, and
// what lets the mesh in.
func testOtherFirewall(t *testing.T, h *hosts) {
	n := h.three
	n.MustExec(t, "nft", `table inet filter {
		chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; }
	}`)
	defer n.MustExec(t, "nft", "delete", "table", "inet", "filter")
	warned := func() error {
		return want("warnings", int(n.Metrics(t)[`warren_warning{step="other firewalls"}`]), 1)
	}
	lab.Wait(t, patience, "the daemon to say that a firewall may drop what is forwarded", warned)
	if err := n.Ready(); err != nil {
		t.Errorf("a warning makes the node unready: %v", err)
	}
	for _, direction := range []string{"iifname", "oifname"} {
		n.MustExec(t, "nft", "insert rule inet filter forward "+direction+` { "warren0", "warren-br0" } accept`)
	}
	lab.Wait(t, patience, "the warning to end", func() error {
		if warned() == nil {
			return errors.New("there is still a warning")
		}
		return nil
	})
	h.wantThrough(t)
}

// wantThrough wants what node3 forwards to arrive: to its pods from other nodes, from the same node and from the
// outside through another node's port, and from its pods to the outside.
func (h *hosts) wantThrough(t *testing.T) {
	t.Helper()
	for _, like := range h.three.Addrs() {
		for _, way := range []struct {
			name string
			from *host.Host
			to   netip.AddrPort
		}{
			{"remote pod to a pod there", h.a.Host, h.far.Echo(like)},
			{"pod there to a remote pod", h.far.Host, h.a.Echo(like)},
			{"pod to pod there", h.pods[5].Host, h.far.Echo(like)},
			{"pod there to the outside", h.far.Host, h.Outside.Echo(like)},
			{"outside to its node port, pod there", h.Outside, h.plain.nodeAddr(h.three, like)},
		} {
			for _, network := range []string{"tcp", "udp"} {
				// A datagram that comes before the daemon has mended it is lost.
				lab.Wait(t, patience, way.name+" over "+network, func() error {
					_, _, err := ask(t.Context(), way.from, network, way.to)
					return err
				})
			}
		}
	}
	if saved := h.three.MustExec(t, "iptables-nft-save"); strings.Contains(saved, "incompatible") {
		t.Errorf("iptables does not understand what is there:\n%s", saved)
	}
}
