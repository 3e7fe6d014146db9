package mesh

import (
	"net/netip"
	"time"

	"warren.mesh/keys"
)

// Edits are additions and removals of one kind, each sorted. Additions are made first.
type Edits[T any] struct{ Add, Remove []T }

// Change is what turns one State into another: only what differs. The zero value changes nothing.
type Change struct {
	Sysctls []Sysctl
	// Firewall replaces the whole table in one transaction; nil keeps it.
	Firewall *Firewall
	// NodeIPs edits the table's set of node addresses; empty where Firewall is set.
	NodeIPs Edits[netip.Addr]
	// Link creates the interface, sets its MTU or brings it up; nil keeps it. Its Addresses are in Addresses.
	Link      *Link
	Addresses Edits[netip.Prefix]
	// Bridge sets the bridge's MTU; zero keeps it.
	BridgeMTU       int
	BridgeAddresses Edits[netip.Prefix]
	// Device sets key and port; nil keeps them.
	Device *Device
	Peers  PeerEdits
	Routes Edits[Route]
	Rules  Edits[Rule]
}

// PeerEdits are the changes to the device's peers. Additions and updates come before removals, and an allowed IP that
// moves is taken from one peer by giving it to the other.
type PeerEdits struct {
	Add    []Peer
	Update []PeerUpdate
	Remove []keys.Public
}

// PeerUpdate changes one peer in place; nil fields are kept.
type PeerUpdate struct {
	PublicKey keys.Public
	// Node is the Node's name, for people.
	Node       string
	Endpoint   *netip.AddrPort
	AllowedIPs []netip.Prefix
	Keepalive  *time.Duration
}
