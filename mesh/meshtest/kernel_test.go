package meshtest_test

import (
	"sync"
	"testing"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

func TestKernelContract(t *testing.T) {
	t.Run("kernel", func(t *testing.T) {
		meshtest.RunHostContract(t, func(t *testing.T) meshtest.Harness { return newHarness(t, false) })
	})
	t.Run("userspace", func(t *testing.T) {
		meshtest.RunHostContract(t, func(t *testing.T) meshtest.Harness { return newHarness(t, true) })
	})
}

// newHarness is a harness on the model. In userspace the device process runs, and is started again after its interface is
// deleted.
func newHarness(t *testing.T, userspace bool) meshtest.Harness {
	cfg := mesh.Defaults()
	kernel := meshtest.NewKernel(cfg, userspace)
	for _, ip := range meshtest.UnderlayIPs {
		kernel.SetUnderlay(ip, meshtest.UnderlayMTU)
	}
	others := kernel.Meddler()
	if userspace {
		kernel.StartDevice()
		others = restarting{others, kernel}
	}
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	return meshtest.Harness{
		Host:    kernel,
		Restart: func() meshtest.Host { return kernel },
		Meddler: others,
		Config:  cfg,
		Key:     keys.Public{1},
		Go:      group.Go,
	}
}

type restarting struct {
	meshtest.Meddler
	kernel *meshtest.Kernel
}

func (r restarting) DeleteLink() {
	r.Meddler.DeleteLink()
	r.kernel.StartDevice()
}
