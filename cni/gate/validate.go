package gate

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
)

// containerID is what CNI allows (containernetworking/cni SPEC.md, "CNI_CONTAINERID").
var containerID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$`)

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
	if !containerID.MatchString(container) {
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
