package inside

import (
	"fmt"

	"warren.mesh/test/lab/namespace"
)

// makeNet makes a network namespace with its loopback up and mounts it at NetPath, which keeps it without a process.
func makeNet(name string) error {
	net, err := namespace.NewNet()
	if err != nil {
		return fmt.Errorf("make pod %s: %w", name, err)
	}
	defer net.Close()
	if err = net.Do(loopbackUp); err == nil {
		err = net.Mount(NetPath(name))
	}
	if err != nil {
		return fmt.Errorf("make pod %s: %w", name, err)
	}
	return nil
}

// removeNet removes what makeNet made. It succeeds where nothing is there.
func removeNet(name string) error { return namespace.UnmountNet(NetPath(name)) }
