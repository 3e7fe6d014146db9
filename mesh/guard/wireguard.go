package guard

import (
	"fmt"

	"warren.mesh/mesh/nft"
)

// wireguardIn keeps WireGuard's port out of reach of others' translation: a pod with that hostPort, or a Service with
// that NodePort, would otherwise receive what peers send to the device. A connection's destination is settled once, by
// the first rule that translates it. This rule comes first and translates to the same port, so nothing changes, and
// connection tracking knows the connection as if nobody had translated it.
//
// To accept in an earlier chain does not help, since each NAT chain of the hook is asked. "notrack" would help, but
// firewalls that let in what is established would drop what it hides from them.
func (r ruleset) wireguardIn() nft.Chain {
	return nft.Chain{
		Name: "wireguard-in", Comment: "nobody translates what comes to WireGuard",
		Type: "nat", Hook: "prerouting", Priority: "dstnat-10",
		Rules: []nft.Rule{{
			Text:   fmt.Sprintf("udp dport %d fib daddr type local dnat to :%[1]d", r.port),
			Reason: "to WireGuard on this node: keeps its destination",
		}},
	}
}

// wireguardOut does the same for what the device sends: a Service may have a peer's address as an external IP. A peer's
// port is any, and a port in the range is kept. The priority is a number, because nft 1.0.6 does not take "dstnat" in
// this hook.
func (r ruleset) wireguardOut() nft.Chain {
	return nft.Chain{
		Name: "wireguard-out", Comment: "nobody translates where WireGuard sends to",
		Type: "nat", Hook: "output", Priority: "-110",
		Rules: []nft.Rule{{
			Text:   fmt.Sprintf("udp sport %d fib saddr type local dnat to :1-65535", r.port),
			Reason: "from WireGuard on this node: keeps its destination",
		}},
	}
}
