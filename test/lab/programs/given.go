package programs

import (
	"errors"
	"os"
	"path/filepath"
)

// Env names the environment variable of a directory with all that a lab runs, for machines without Go: the files
// warren, lab (the in-namespace helper), etcd and control (kube-apiserver and others), the CNI plugins in plugins, and
// manifests. It serves labs without kubelets. Unset, everything is built.
const Env = "WARREN_LAB_PROGRAMS"

// given are the programs of such a directory; dir is the lab's own.
func given(from, dir string) (*Programs, error) {
	p := &Programs{
		Root: from, bin: filepath.Join(dir, "bin"),
		Lab: filepath.Join(from, "lab"), Etcd: filepath.Join(from, "etcd"), Plugins: filepath.Join(from, "plugins"),
	}
	// Nothing is left to build.
	p.once.Do(func() {})
	return p, errors.Join(
		os.MkdirAll(p.bin, 0o755),
		os.Symlink(filepath.Join(from, "warren"), p.Component("warren")),
		p.linkTo(filepath.Join(from, "control"), controlNames),
	)
}
