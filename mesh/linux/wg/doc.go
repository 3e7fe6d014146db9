// Package wg owns the configuration of one WireGuard device: its key, its UDP port and its peers. It configures the
// kernel's device and the userspace process's alike, through WireGuard's own interface, as wg(8) does. It does not own
// the network interface, and does not know which kind of device it is.
package wg
