// Package cni attaches pods to their node by way of the reference CNI plugins: it renders the network configuration list
// that a container runtime reads, installs it and the four plugins it names, and reads the address reservations that the
// plugins leave behind. It does not attach pods itself (the runtime executes the plugins) and decides no address.
package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Network is the network's name: host-local and the runtime's cache keep their files under it.
const Network = "warren"

// versions are the CNI versions that the plugins are tried with. Runtimes built on libcni before 1.2 (containerd 1.6 and
// 1.7) read cniVersion only; later ones take the highest of both fields that they know. With 1.1 comes STATUS, which the
// pinned plugins answer.
var versions = []string{"1.0.0", "1.1.0"}

// Settings are what the configuration depends on.
type Settings struct {
	// Bridge is the name of the pods' bridge.
	Bridge string
	// MTU of bridge and veths, in bytes.
	MTU int
	// PodCIDRs are this node's, at most one per address family.
	PodCIDRs []netip.Prefix
	// DataDir is where host-local keeps its reservations. It must not outlive a reboot: the pods do not either.
	DataDir string
}

type conflist struct {
	CNIVersion  string   `json:"cniVersion"`
	CNIVersions []string `json:"cniVersions"`
	Name        string   `json:"name"`
	Plugins     []any    `json:"plugins"`
}

type bridge struct {
	Type             string `json:"type"`
	Bridge           string `json:"bridge"`
	IsDefaultGateway bool   `json:"isDefaultGateway"`
	HairpinMode      bool   `json:"hairpinMode"`
	IPMasq           bool   `json:"ipMasq"`
	MTU              int    `json:"mtu"`
	IPAM             ipam   `json:"ipam"`
}

type ipam struct {
	Type    string        `json:"type"`
	DataDir string        `json:"dataDir"`
	Ranges  [][]ipamRange `json:"ranges"`
}

type ipamRange struct {
	Subnet netip.Prefix `json:"subnet"`
}

type portmap struct {
	Type         string          `json:"type"`
	Capabilities map[string]bool `json:"capabilities"`
}

// Conflist renders the configuration list, the same bytes for the same settings.
//
// Left out on purpose: ipMasq, for warren's own table masquerades what leaves the mesh and only that; routes, for
// isDefaultGateway makes the default route of each family and a second one is an error; forceAddress, for it would take
// the gateway address from under running pods; portmap's backend, for the plugin runs among the host's binaries, which
// alone tell whether that host has iptables or only nft.
func Conflist(s Settings) ([]byte, error) {
	sets, err := rangeSets(s.PodCIDRs)
	if err != nil {
		return nil, fmt.Errorf("render the CNI configuration: %w", err)
	}
	list := conflist{
		CNIVersion:  versions[0],
		CNIVersions: versions,
		Name:        Network,
		Plugins: []any{
			bridge{
				Type:             "bridge",
				Bridge:           s.Bridge,
				IsDefaultGateway: true,
				HairpinMode:      true, // a pod that reaches itself through its Service comes back by the port it left by
				MTU:              s.MTU,
				IPAM:             ipam{Type: "host-local", DataDir: s.DataDir, Ranges: sets},
			},
			portmap{Type: "portmap", Capabilities: map[string]bool{"portMappings": true}},
		},
	}
	text, err := json.MarshalIndent(list, "", "  ")
	return append(text, '\n'), err
}

// rangeSets makes one range set per address family, of which host-local gives every pod one address each; IPv4 first, as
// the first is the pod's primary address to runtimes that know one only.
func rangeSets(cidrs []netip.Prefix) ([][]ipamRange, error) {
	if len(cidrs) == 0 {
		return nil, errors.New("no pod CIDR")
	}
	sorted := slices.SortedFunc(slices.Values(cidrs), netip.Prefix.Compare)
	sets := make([][]ipamRange, len(sorted))
	for i, cidr := range sorted {
		if i > 0 && sorted[i-1].Addr().Is4() == cidr.Addr().Is4() {
			return nil, fmt.Errorf("two pod CIDRs of one family: %s and %s", sorted[i-1], cidr)
		}
		sets[i] = []ipamRange{{Subnet: cidr.Masked()}}
	}
	return sets, nil
}
