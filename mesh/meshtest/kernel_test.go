package meshtest_test

import (
	"sync"
	"testing"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

func TestKernelContract(t *testing.T) {
	meshtest.RunHostContract(t, newHarness)
}

// newHarness is a harness on the model.
func newHarness(t *testing.T) meshtest.Harness {
	cfg := mesh.Defaults()
	kernel := meshtest.NewKernel(cfg, false)
	for _, ip := range meshtest.UnderlayIPs {
		kernel.SetUnderlay(ip, meshtest.UnderlayMTU)
	}
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	return meshtest.Harness{
		Host:    kernel,
		Restart: func() meshtest.Host { return kernel },
		Meddler: kernel.Meddler(),
		Config:  cfg,
		Key:     keys.Public{1},
		Go:      group.Go,
	}
}
