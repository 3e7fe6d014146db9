// Command warren-cni is the gate: the last CNI plugin in warren's list. It tells the daemon which pod is behind which
// port of the bridge, and returns when the daemon has put the pod's policies in force. It attaches nothing itself, and
// passes on the result of the plugins before it unchanged.
package main

import (
	"runtime/debug"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/version"
)

func main() {
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Del: del, Check: check, Status: status, GC: gc},
		version.PluginSupports("1.0.0", "1.1.0"), "warren-cni "+builtAs())
}

// release is the version that the linker writes into the programs of a release (-X main.release=…); else it is empty.
var release string

// builtAs returns the version of a release, or else what the Go command wrote into the binary.
func builtAs() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
