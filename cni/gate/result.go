package gate

import (
	"errors"
	"fmt"
	"net/netip"

	current "github.com/containernetworking/cni/pkg/types/100"
)

// Attached is what a container runtime and its plugins know of an attachment.
type Attached struct {
	Key
	// Args are the pairs of CNI_ARGS.
	Args [][2]string
	// Result is that of the plugin bridge, which the plugins after it pass on.
	Result *current.Result
}

// Attachment reads it, where bridge is the name of the pods' bridge. An error says what is missing.
func (a Attached) Attachment(bridge string) (Attachment, error) {
	found := Attachment{Container: a.Container, Interface: a.Interface}
	for _, pair := range a.Args {
		switch pair[0] {
		case "K8S_POD_NAMESPACE":
			found.Namespace = pair[1]
		case "K8S_POD_NAME":
			found.Name = pair[1]
		case "K8S_POD_UID":
			found.UID = pair[1]
		}
	}
	err := found.take(a.Result, bridge)
	if err == nil {
		err = found.Validate()
	}
	if err != nil {
		return Attachment{}, fmt.Errorf("container %.100s: %w", a.Container, err)
	}
	return found, nil
}

// take takes port, hardware address and addresses from a result. Of the bridge plugin's interfaces, the host's are the
// bridge and the port; the pod's has a sandbox.
func (a *Attachment) take(r *current.Result, bridge string) error {
	if r == nil {
		return errors.New("there is no result of the plugin bridge: warren-cni comes after it in a list")
	}
	inside := -1
	for i, link := range r.Interfaces {
		switch {
		case link == nil:
		case link.Sandbox != "" && link.Name == a.Interface:
			inside, a.MAC = i, link.Mac
		case link.Sandbox != "" || link.Name == bridge:
		case a.Port != "":
			return fmt.Errorf("both %s and %s may be its port on the bridge %s", a.Port, link.Name, bridge)
		default:
			a.Port = link.Name
		}
	}
	if inside < 0 || a.Port == "" {
		return fmt.Errorf("the plugins before warren-cni made no port on the bridge %s for its %s", bridge, a.Interface)
	}
	for _, ip := range r.IPs {
		if ip == nil || ip.Interface != nil && *ip.Interface != inside {
			continue
		}
		prefix, err := netip.ParsePrefix(ip.Address.String())
		if err != nil {
			return fmt.Errorf("the result's address %s: %w", ip.Address.String(), err)
		}
		a.Addrs = append(a.Addrs, prefix.Addr())
	}
	return nil
}
