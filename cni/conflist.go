// Package cni attaches pods to their node by the reference CNI plugins: it renders the network configuration list that
// a container runtime reads, installs it and the plugins that it needs, and reads the plugins' address
// reservations. It neither attaches pods itself (the runtime executes the plugins) nor chooses addresses.
package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
)

// Network is the name of the network. host-local and the runtime's cache have directories of that name.
const Network = "warren"

// versions are the CNI versions with which the plugins are tested. Runtimes built on libcni before 1.2 (containerd 1.6
// and 1.7) read cniVersion only; later ones use the highest version of both fields that they know. CNI 1.1 adds STATUS,
// which the pinned plugins answer.
var versions = []string{"1.0.0", "1.1.0"}

// Settings holds what the configuration depends on.
type Settings struct {
	// Bridge is the name of the pods' bridge.
	Bridge string
	// MTU is the MTU of bridge and veths, in bytes.
	MTU int
	// PodCIDRs are the pod CIDRs of this node, at most one for each address family.
	PodCIDRs []netip.Prefix
	// RunDir is the daemon's run directory. It must not outlive a reboot, because the pods do not: host-local's
	// reservations are in it, and what the gate and the daemon know of pods.
	RunDir string
	// Gate holds each pod closed until the daemon has put its policies in force. Without a daemon no pod starts then.
	Gate bool
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

type warrenCNI struct {
	Type   string `json:"type"`
	RunDir string `json:"runDir"`
	Bridge string `json:"bridge"`
}

// Conflist renders the configuration list. It returns the same bytes for the same settings, and an error if there is no
// pod CIDR or there are two of one family.
//
// It omits ipMasq, because warren's own table masquerades what leaves the mesh, and only that; routes, because
// isDefaultGateway makes the default route of each family, and a second one is an error; forceAddress, because it would
// remove the gateway address that running pods use; and portmap's backend, because the plugin runs among the host's
// binaries and so can tell whether the host has iptables or only nft.
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
				HairpinMode:      true, // A pod that reaches itself through its Service uses its bridge port twice.
				MTU:              s.MTU,
				IPAM:             ipam{Type: "host-local", DataDir: dataDir(s.RunDir), Ranges: sets},
			},
			portmap{Type: "portmap", Capabilities: map[string]bool{"portMappings": true}},
		},
	}
	if s.Gate {
		// Last, when nothing of the pod can fail any more; and so DEL, which goes backwards, asks it first.
		list.Plugins = append(list.Plugins, warrenCNI{Type: "warren-cni", RunDir: s.RunDir, Bridge: s.Bridge})
	}
	text, err := json.MarshalIndent(list, "", "  ")
	return append(text, '\n'), err
}

// dataDir returns the directory of host-local's reservations.
func dataDir(runDir string) string { return filepath.Join(runDir, "ipam") }

// rangeSets returns one range set for each address family; host-local gives every pod an address of each set. IPv4
// comes first, because runtimes that know one address per pod use the first.
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
