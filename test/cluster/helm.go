package cluster

import (
	"os"
	"path/filepath"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/artifact"
)

// LinkHelm puts Helm beside the cluster's kubectl, where commands after Environment find it. It builds Helm if it is
// missing.
func (c *Cluster) LinkHelm(t lab.TB) {
	t.Helper()
	helm, err := c.Artifacts().Get(t.Context(), artifact.Helm(c.Root()))
	if err == nil {
		err = os.Symlink(helm, filepath.Join(c.Dir, "bin", "helm"))
	}
	if err != nil {
		t.Fatalf("build Helm: %v", err)
	}
}
