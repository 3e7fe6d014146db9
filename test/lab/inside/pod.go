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

// Where a container runtime looks by default, and where this one keeps a pod's network namespace and its sandbox.
const (
	confDir = "/etc/cni/net.d"
	binDir  = "/opt/cni/bin"
	netDir  = "/run/netns"
	podDir  = "/run/lab/pods"
)

// Pod names what to attach, check or detach. Make, Check and Detach need its Name only.
type Pod struct {
	// Name is unique on the node.
	Name string
	// Namespace, Object and UID are those of the Pod object, whose name is Object.
	Namespace, Object, UID string
	// Made says that Make was called.
	Made bool `json:",omitempty"`
	// Ports is the runtime's capability argument portMappings.
	Ports []Port `json:",omitempty"`
}

// Port is one element of portMappings, as the CNI conventions write it (CONVENTIONS.md, "port mappings").
type Port struct {
	HostPort      uint16 `json:"hostPort"`
	ContainerPort uint16 `json:"containerPort"`
	Protocol      string `json:"protocol"`
	// HostIP is the address of the node that the port is at; empty means all.
	HostIP string `json:"hostIP"`
}

// Attached is the outcome of an ADD.
type Attached struct {
	// Addrs are the pod's, IPv4 first.
	Addrs []netip.Addr
}

// NetPath is where the network namespace of the pod with this name is, in the node's mount namespace.
func NetPath(name string) string { return filepath.Join(netDir, name) }

// Make makes the pod's network namespace, which Attach else does: for what runs in a pod before it has a network.
func (p Pod) Make() error { return makeNet(p.Name) }

// Attach makes the pod's network namespace and executes ADD. Nothing is left of a pod that could not be attached.
func (p Pod) Attach(ctx context.Context) (Attached, error) {
	list, err := chosen()
	if err != nil {
		return Attached{}, err
	}
	if !p.Made {
		if err := p.Make(); err != nil {
			return Attached{}, err
		}
	}
	result, err := p.add(ctx, list)
	if err != nil {
		return Attached{}, errors.Join(fmt.Errorf("attach pod %s: %w", p.Name, err), p.Detach(ctx))
	}
	return attached(result)
}

func (p Pod) add(ctx context.Context, list *libcni.NetworkConfigList) (*types100.Result, error) {
	box := newSandbox(p)
	if err := box.save(); err != nil {
		return nil, err
	}
	result, err := cni().AddNetworkList(ctx, list, box.runtime())
	if err != nil {
		return nil, err
	}
	return types100.GetResult(result)
}

// Check executes CHECK. containerd never does; CRI-O does when it is asked for the status of a pod.
func (p Pod) Check(ctx context.Context) error {
	if err := p.again(ctx, cni().CheckNetworkList); err != nil {
		return fmt.Errorf("check pod %s: %w", p.Name, err)
	}
	return nil
}

// Detach executes DEL and removes the network namespace.
func (p Pod) Detach(ctx context.Context) error {
	if err := p.again(ctx, cni().DelNetworkList); err != nil {
		return errors.Join(fmt.Errorf("detach pod %s: %w", p.Name, err), removeNet(p.Name))
	}
	return errors.Join(removeNet(p.Name), os.Remove(sandboxPath(p.Name)))
}

// again calls what follows an ADD, with the arguments of that ADD and with the configuration of the present. containerd
// does so; CRI-O takes the ADD's from libcni's cache.
func (p Pod) again(ctx context.Context,
	call func(context.Context, *libcni.NetworkConfigList, *libcni.RuntimeConf) error) error {
	box, err := loadSandbox(p.Name)
	if err != nil {
		return err
	}
	list, err := chosen()
	if err != nil {
		return err
	}
	return call(ctx, list, box.runtime())
}

func cni() *libcni.CNIConfig { return libcni.NewCNIConfig([]string{binDir}, nil) }

// chosen reads the first configuration by name, as containerd and CRI-O do.
func chosen() (*libcni.NetworkConfigList, error) {
	files, err := libcni.ConfFiles(confDir, []string{".conf", ".conflist", ".json"})
	if err != nil {
		return nil, fmt.Errorf("look for a CNI configuration: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("look for a CNI configuration: none in %s", confDir)
	}
	first := slices.Min(files)
	if filepath.Ext(first) == ".conflist" {
		return libcni.ConfListFromFile(first)
	}
	plugin, err := libcni.ConfFromFile(first) //nolint:staticcheck // deprecated, but containerd reads it
	if err != nil {
		return nil, err
	}
	return libcni.ConfListFromConf(plugin) //nolint:staticcheck // the same
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
