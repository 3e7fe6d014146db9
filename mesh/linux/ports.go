package linux

import (
	"fmt"

	"warren.mesh/mesh/linux/rtnl"
)

// BridgePorts returns the names of the interfaces on a bridge; none if there is no bridge of this name.
func BridgePorts(bridge string) (names []string, err error) {
	conn, err := rtnl.Open()
	if err != nil {
		return nil, fmt.Errorf("list the ports of %s: %w", bridge, err)
	}
	defer conn.Close()
	links, err := conn.Links()
	if err != nil {
		return nil, fmt.Errorf("list the ports of %s: %w", bridge, err)
	}
	master := 0
	for _, l := range links {
		if l.Attrs().Name == bridge {
			master = l.Attrs().Index
		}
	}
	for _, l := range links {
		if master != 0 && l.Attrs().MasterIndex == master {
			names = append(names, l.Attrs().Name)
		}
	}
	return names, nil
}
