package inside

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/containernetworking/cni/libcni"
	types100 "github.com/containernetworking/cni/pkg/types/100"
)

// Where a container runtime looks by default, and where this one keeps a pod's network namespace and the configuration
// that the pod was attached with.
const (
	confDir = "/etc/cni/net.d"
	binDir  = "/opt/cni/bin"
	netDir  = "/run/netns"
	podDir  = "/run/lab/pods"
)

// Pod names what to attach or detach.
type Pod struct {
	// Name is unique on the node and serves as container ID.
	Name string
	// Ports is the runtime's capability argument portMappings.
	Ports []Port `json:",omitempty"`
}

// Port is one element of portMappings, as the CNI conventions write it (CONVENTIONS.md, "port mappings").
type Port struct {
	HostPort      uint16 `json:"hostPort"`
	ContainerPort uint16 `json:"containerPort"`
	Protocol      string `json:"protocol"`
}

// Attached is the outcome of an ADD.
type Attached struct {
	// Addrs are the pod's, IPv4 first.
	Addrs []netip.Addr
}

// NetPath is where the network namespace of the pod with this name is, in the node's mount namespace.
func NetPath(name string) string { return filepath.Join(netDir, name) }

// Attach makes the pod's network namespace and executes the configuration that a runtime would choose: the first file
// of the directory. Nothing is left of a pod that could not be attached.
func (p Pod) Attach(ctx context.Context) (Attached, error) {
	conf, err := chosen()
	if err != nil {
		return Attached{}, err
	}
	if err := makeNet(p.Name); err != nil {
		return Attached{}, err
	}
	result, err := p.add(ctx, conf)
	if err != nil {
		return Attached{}, errors.Join(fmt.Errorf("attach pod %s: %w", p.Name, err), p.Detach(ctx))
	}
	return attached(result)
}

func (p Pod) add(ctx context.Context, conf []byte) (*types100.Result, error) {
	if err := os.MkdirAll(podDir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.conf(), conf, 0o600); err != nil {
		return nil, err
	}
	list, err := libcni.NetworkConfFromBytes(conf)
	if err != nil {
		return nil, err
	}
	result, err := p.cni().AddNetworkList(ctx, list, p.runtime())
	if err != nil {
		return nil, err
	}
	return types100.GetResult(result)
}

// Detach executes DEL with the configuration of the ADD, as runtimes do, and removes the network namespace.
func (p Pod) Detach(ctx context.Context) error {
	return errors.Join(p.del(ctx), removeNet(p.Name), os.RemoveAll(p.conf()))
}

func (p Pod) del(ctx context.Context) error {
	conf, err := os.ReadFile(p.conf())
	if err != nil {
		return fmt.Errorf("detach pod %s: %w", p.Name, err)
	}
	list, err := libcni.NetworkConfFromBytes(conf)
	if err != nil {
		return fmt.Errorf("detach pod %s: %w", p.Name, err)
	}
	if err := p.cni().DelNetworkList(ctx, list, p.runtime()); err != nil {
		return fmt.Errorf("detach pod %s: %w", p.Name, err)
	}
	return nil
}

func (p Pod) conf() string { return filepath.Join(podDir, p.Name+".conflist") }

func (p Pod) cni() *libcni.CNIConfig { return libcni.NewCNIConfig([]string{binDir}, nil) }

func (p Pod) runtime() *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID:    p.Name,
		NetNS:          NetPath(p.Name),
		IfName:         "eth0",
		CapabilityArgs: map[string]any{"portMappings": p.Ports},
	}
}

// chosen reads the first configuration by name, as containerd and CRI-O do.
func chosen() ([]byte, error) {
	files, err := libcni.ConfFiles(confDir, []string{".conf", ".conflist", ".json"})
	if err != nil {
		return nil, fmt.Errorf("look for a CNI configuration: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("look for a CNI configuration: none in %s", confDir)
	}
	return os.ReadFile(slices.Min(files))
}

func attached(result *types100.Result) (Attached, error) {
	var a Attached
	for _, ip := range result.IPs {
		addr, ok := netip.AddrFromSlice(ip.Address.IP)
		if !ok {
			return Attached{}, fmt.Errorf("CNI result: no address: %v", ip.Address)
		}
		a.Addrs = append(a.Addrs, addr.Unmap())
	}
	slices.SortFunc(a.Addrs, netip.Addr.Compare)
	return a, nil
}
