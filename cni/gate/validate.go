package gate

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// mostContainerID is how long an ID may be, in bytes: a file is named after it.
const mostContainerID = 200

// isContainerID reports whether CNI allows the ID (containernetworking/cni SPEC.md, "CNI_CONTAINERID"). It is no
// regular expression because the plugin would compile that for every pod: 1 ms of its start, of 3.
func isContainerID(id string) bool {
	const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return id != "" && len(id) <= mostContainerID && strings.Contains(alphanumeric, id[:1]) &&
		strings.Trim(id, alphanumeric+"_.-") == ""
}

// Validate returns an error that names the field with which the attachment cannot be known.
func (a Attachment) Validate() error {
	if err := validateKey(a.Container, a.Interface); err != nil {
		return err
	}
	if a.Namespace == "" || a.Name == "" {
		return fmt.Errorf("container %s has no pod: the container runtime sets K8S_POD_NAMESPACE and K8S_POD_NAME "+
			"in CNI_ARGS", a.Container)
	}
	if !isInterface(a.Port) {
		return fmt.Errorf("pod %s/%s: %q is no name of an interface", a.Namespace, a.Name, a.Port)
	}
	if mac, err := net.ParseMAC(a.MAC); err != nil || len(mac) != 6 {
		return fmt.Errorf("pod %s/%s: %q is no hardware address of six bytes", a.Namespace, a.Name, a.MAC)
	}
	return a.validateAddrs()
}

func (a Attachment) validateAddrs() error {
	if len(a.Addrs) == 0 {
		return fmt.Errorf("pod %s/%s has no address", a.Namespace, a.Name)
	}
	var families [2]netip.Addr
	for _, addr := range a.Addrs {
		if !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() {
			return fmt.Errorf("pod %s/%s: %q is no address of a pod", a.Namespace, a.Name, addr)
		}
		family := &families[0]
		if addr.Is6() {
			family = &families[1]
		}
		if family.IsValid() {
			return fmt.Errorf("pod %s/%s has two addresses of one family, %s and %s: warren knows one of each",
				a.Namespace, a.Name, family, addr)
		}
		*family = addr
	}
	return nil
}

func validateKey(container, ifname string) error {
	if !isContainerID(container) {
		return fmt.Errorf("%.100q is no ID of a container", container)
	}
	if !isInterface(ifname) {
		return fmt.Errorf("container %s: %.100q is no name of an interface", container, ifname)
	}
	return nil
}

// isInterface reports whether Linux allows the name (net/core/dev.c, dev_valid_name), and a file can be named after it.
func isInterface(name string) bool {
	const forbidden = "/: \t\n\v\f\r\x00"
	return name != "" && len(name) < 16 && name != "." && name != ".." && !strings.ContainsAny(name, forbidden)
}
