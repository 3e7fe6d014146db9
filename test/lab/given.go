package lab

import (
	"errors"
	"os"
	"path/filepath"
)

// ProgramsEnv names the environment variable of a directory with all that a lab runs, for machines without Go: the files warren, lab
// (the in-namespace helper), etcd and kube (Kubernetes' multi-call binary), the CNI plugins in plugins, and manifests. Unset: it
// is built.
const ProgramsEnv = "WARREN_LAB_PROGRAMS"

// given are the programs of such a directory; dir is the lab's own.
func given(from, dir string) (*programs, error) {
	p := &programs{
		root: from, bin: filepath.Join(dir, "bin"),
		lab: filepath.Join(from, "lab"), etcd: filepath.Join(from, "etcd"), plugins: filepath.Join(from, "plugins"),
	}
	// Nothing is left to build.
	p.once.Do(func() {})
	return p, errors.Join(
		os.MkdirAll(p.bin, 0o755),
		os.Symlink(filepath.Join(from, "warren"), p.component("warren")),
		p.link(filepath.Join(from, "kube")),
	)
}
