package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// HostPorts returns the pods of this node that have an address of a family and, in that family, host ports: by the ID
// of the container that the plugins know, with a text for operators such as "default/web (8080/tcp)". It reads
// host-local's reservations, which say who is there, and in CacheDir what libcni keeps of each attachment. A pod of
// which that is missing has none.
func (c Configuration) HostPorts(v6 bool) (pods map[string]string, err error) {
	dir := filepath.Join(c.dataDir(), Network)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read address reservations: %w", err)
	}
	pods = map[string]string{}
	for _, entry := range entries {
		if addr, ok := reserved(entry.Name()); !ok || addr.Is6() != v6 {
			continue
		}
		holder, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		// host-local writes the container's ID and the interface, each on a line.
		id, iface, ok := strings.Cut(strings.TrimSpace(string(holder)), "\r\n")
		if err != nil || !ok || id != filepath.Base(id) {
			continue // released meanwhile
		}
		name := fmt.Sprintf("%s-%s-%s", Network, id, filepath.Base(iface))
		content, err := os.ReadFile(filepath.Join(c.CacheDir, "results", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read how a pod was attached: %w", err)
		}
		if text, ok := hostPortsIn(content, v6); ok {
			pods[id] = text
		}
	}
	return pods, nil
}

// attachment is the part of libcni's cache that says what the runtime asked for.
type attachment struct {
	Args         [][2]string `json:"cniArgs"`
	Capabilities struct {
		PortMappings []portMapping `json:"portMappings"`
	} `json:"capabilityArgs"`
}

type portMapping struct {
	HostPort int    `json:"hostPort"`
	Protocol string `json:"protocol"`
	HostIP   string `json:"hostIP"`
}

// in reports whether portmap makes rules of a family of it: as portmap, it goes by the host's address.
func (m portMapping) in(v6 bool) bool {
	ip, err := netip.ParseAddr(m.HostIP)
	return m.HostPort > 0 && (m.HostIP == "" || err == nil && ip.Is6() == v6)
}

// hostPortsIn returns whose ports they are, and which; ok is false where there are none.
func hostPortsIn(content []byte, v6 bool) (text string, ok bool) {
	var a attachment
	if json.Unmarshal(content, &a) != nil {
		return "", false
	}
	var ports []string
	for _, m := range a.Capabilities.PortMappings {
		if m.in(v6) {
			ports = append(ports, fmt.Sprintf("%d/%s", m.HostPort, strings.ToLower(m.Protocol)))
		}
	}
	slices.Sort(ports)
	args := map[string]string{}
	for _, pair := range a.Args {
		args[pair[0]] = pair[1]
	}
	text = fmt.Sprintf("%s/%s (%s)", args["K8S_POD_NAMESPACE"], args["K8S_POD_NAME"], strings.Join(ports, ", "))
	return text, len(ports) > 0
}
