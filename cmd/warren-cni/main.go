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
		version.PluginSupports("1.0.0", "1.1.0"), "warren-cni "+release())
}

// release returns the version that the Go command wrote into the binary.
func release() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
