// Package vm runs the project's tests on kernels that this machine does not have: those of Debian, under qemu, from an
// initramfs that it makes itself of the kernel's modules, a small init, the test binaries and what those execute. The
// machines are for the kernel's own WireGuard, which the host may lack.
//
// Everything is emulated (TCG): a guest needs no KVM, is some ten times slower than the host, and its throughput says
// nothing unless it is compared with another figure of the same boot.
//
// What a guest says of its tests counts as this package's own subtests. A guest that ends without a verdict has failed,
// whatever the reason: a panic, a hang that the time-out ended, an init that did not start.
package vm
