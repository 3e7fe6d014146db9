package firewalls

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"warren.mesh/mesh/nft"
)

// lists reports whether the chain's table names what the mesh needs, in whatever rule. That it lets it in then is a
// guess: who reads the rules of others as the kernel does would have to know all of nftables.
func (f *Firewalls) lists(ctx context.Context, c nft.BaseChain) bool {
	// A listing that fails names nothing.
	out, _ := exec.CommandContext(ctx, "nft", "list", "table", c.Family, c.Name).Output()
	text := string(out)
	if c.Hook == "input" {
		return strings.Contains(text, fmt.Sprintf(" %d", f.Port))
	}
	return strings.Contains(text, `"`+f.Link+`"`) && strings.Contains(text, `"`+f.Bridge+`"`)
}

func where(c nft.BaseChain) string {
	return fmt.Sprintf("chain %s of nftables table %v", c.Chain, c.ID)
}

func what(hook string) string {
	if hook == "input" {
		return "WireGuard's packets"
	}
	return "pods' and the mesh's packets"
}

// remedy is the command that mends it; firewalld has its own.
func (f *Firewalls) remedy(c nft.BaseChain) string {
	switch {
	case c.Name == "firewalld" && c.Hook == "input":
		return fmt.Sprintf("firewall-cmd --permanent --add-port=%d/udp && firewall-cmd --reload", f.Port)
	case c.Name == "firewalld":
		return fmt.Sprintf("firewall-cmd --permanent --zone=trusted --add-interface=%s --add-interface=%s && "+
			"firewall-cmd --reload", f.Link, f.Bridge)
	case c.Hook == "input":
		return fmt.Sprintf("nft insert rule %v %s udp dport %d accept, and the same in its configuration",
			c.ID, c.Chain, f.Port)
	default:
		return fmt.Sprintf("nft 'insert rule %[1]v %[2]s iifname { %[3]q, %[4]q } accept' and "+
			"nft 'insert rule %[1]v %[2]s oifname { %[3]q, %[4]q } accept', and the same in its configuration",
			c.ID, c.Chain, f.Link, f.Bridge)
	}
}

// iptablesOf are the commands for a family's tables.
var iptablesOf = map[string]string{"ip": "iptables", "ip6": "ip6tables"}

// iptables are the commands that let the mesh in.
func (f *Firewalls) iptables(command, hook string) string {
	if hook == "input" {
		return fmt.Sprintf("%s -I INPUT -p udp --dport %d -j ACCEPT", command, f.Port)
	}
	var all []string
	for _, name := range []string{f.Bridge, f.Link} {
		all = append(all, fmt.Sprintf("%[1]s -I FORWARD -i %[2]s -j ACCEPT; %[1]s -I FORWARD -o %[2]s -j ACCEPT",
			command, name))
	}
	return strings.Join(all, "; ")
}
