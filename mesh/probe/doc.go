// Package probe has the daemons ask each other for an echo inside the mesh: a UDP datagram from one node's gateway
// address to another's and back, which shows that the way between two nodes carries packets, how long they take and how
// large they may be. It owns the format of the datagrams, who is answered and how often, and how sizes are searched. It
// opens no socket: Config.Open does, and must bind what it opens to the mesh's interface, so that an answer can only
// have come through WireGuard.
package probe
