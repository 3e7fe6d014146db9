// Package sysctl owns the kernel parameters that warren needs: it reads them, sets them, and puts back those that make
// a difference to the host itself. It finds the interfaces that the host configures by router advertisements, because
// the kernel stops that where it forwards. What the values should be, package mesh says.
package sysctl
