package walls

import (
	"context"
	"net/netip"
	"strconv"

	"warren.mesh/mesh/nft"
)

// Refusal is a connection that policies refused within the last five minutes.
type Refusal struct {
	Client, Server netip.Addr
	// Protocol is "tcp", "udp" or "sctp", and Port the server's, after a Service's translation.
	Protocol string
	Port     uint16
	// Packets is how many were refused.
	Packets uint64
}

// Refused returns the refused connections, IPv4 first, sorted by client; none where there is no table.
func (w *Walls) Refused(context.Context) ([]Refusal, error) {
	var all []Refusal
	for _, set := range []string{"refused4", "refused6"} {
		members, err := w.policy.Members(set)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			if r, ok := refusal(m); ok {
				all = append(all, r)
			}
		}
	}
	return all, nil
}

// refusal reads an element; ok is false for one that no rule of warren's has added.
func refusal(m nft.Member) (r Refusal, ok bool) {
	if len(m.Key) != 4 {
		return Refusal{}, false
	}
	client, errClient := netip.ParseAddr(m.Key[0])
	server, errServer := netip.ParseAddr(m.Key[1])
	port, errPort := strconv.ParseUint(m.Key[3], 10, 16)
	r = Refusal{Client: client, Server: server, Protocol: m.Key[2], Port: uint16(port), Packets: m.Packets}
	return r, errClient == nil && errServer == nil && errPort == nil
}
