package drift

import "warren.mesh/mesh"

// Seen is what was observed of a host at one time, as far as this package compares it.
type Seen struct {
	Links
	Device Device
	Routes []mesh.Route
	Rules  []mesh.Rule
	// Sysctls are sorted by name.
	Sysctls []mesh.Sysctl
}

// Links are the two interfaces with their indices, which are zero where the interface is absent.
type Links struct {
	Link        mesh.Link
	LinkIndex   int
	Bridge      mesh.Bridge
	BridgeIndex int
}

// Device is the WireGuard device. The zero value means that none answers.
type Device struct {
	mesh.Device
	Peers []mesh.Peer
	// Statuses is what is seen of the peers, in any order.
	Statuses []mesh.PeerStatus
	// Answers reports whether there is a device, which may have neither key nor peers.
	Answers bool
}

// Reader reads parts of the host as they are now. The Watcher calls it with its Lock held.
type Reader struct {
	Links  func() (Links, error)
	Device func() (Device, error)
	Routes func() ([]mesh.Route, error)
	Rules  func() ([]mesh.Rule, error)
	// Sysctls returns those that an observation has, and Uplinks whose accept_ra it would have now.
	Sysctls func() ([]mesh.Sysctl, error)
	Uplinks func() ([]string, error)
	// MTU returns an interface's MTU in bytes by its index; zero where there is no such interface.
	MTU func(index int) (int, error)
}
