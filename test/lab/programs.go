package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"warren.mesh/test/lab/artifact"
)

// programs are the paths of what a lab runs.
type programs struct {
	// root is the directory of warren's module, bin that of this lab's own programs and links.
	root, bin string
	// lab is the in-namespace helper, etcd the server, plugins the directory of the CNI plugins.
	lab, etcd, plugins string

	once      sync.Once
	warrenErr error
}

// components are the names that Kubernetes' multi-call binary is called by.
var components = []string{"kube-apiserver", "kube-controller-manager", "kubectl"}

// prepare builds what the cache does not have, and the lab binary, into dir/bin.
func prepare(ctx context.Context, dir string, progress func(string, ...any)) (*programs, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	cacheDir, err := artifact.DefaultDir()
	if err != nil {
		return nil, err
	}
	cache := artifact.Cache{Dir: cacheDir, Progress: progress}
	p := &programs{root: root, bin: filepath.Join(dir, "bin")}
	p.lab = filepath.Join(p.bin, "lab")
	if err := artifact.Build(ctx, root, p.lab, "./test/lab/cmd/lab"); err != nil {
		return nil, err
	}
	kube, err := cache.Get(ctx, artifact.Kubernetes(root))
	if err != nil {
		return nil, err
	}
	if p.etcd, err = cache.Get(ctx, artifact.Etcd(root)); err != nil {
		return nil, err
	}
	if p.plugins, err = cache.Get(ctx, artifact.Plugins(root)); err != nil {
		return nil, err
	}
	return p, p.link(kube)
}

func (p *programs) link(kube string) error {
	var errs []error
	for _, name := range components {
		errs = append(errs, os.Symlink(kube, p.component(name)))
	}
	return errors.Join(errs...)
}

func (p *programs) component(name string) string { return filepath.Join(p.bin, name) }

// warren is the program under test, built when it is first asked for.
func (p *programs) warren(ctx context.Context) (string, error) {
	path := filepath.Join(p.bin, "warren")
	p.once.Do(func() { p.warrenErr = artifact.Build(ctx, p.root, path, "./cmd/warren") })
	return path, p.warrenErr
}

// moduleRoot asks go, because the path that a binary remembers of its sources may be another machine's.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "warren.mesh").Output()
	if err != nil {
		return "", fmt.Errorf("find warren's module (run this in its work tree): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
