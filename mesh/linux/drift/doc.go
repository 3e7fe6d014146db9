// Package drift detects that somebody else has changed what warren keeps on a host. It remembers what the host should
// look like since the last observation (Expected), compares the kernel's notifications with that, reads again what a
// notification may contradict, and pokes whoever repairs it. It reads the WireGuard device from time to time, because
// no notification tells of changes to it.
//
// It changes nothing, and it does not own the firewall: package nft watches that.
package drift
