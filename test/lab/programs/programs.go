// Package programs builds what a lab runs: warren, the lab's own binary, etcd, Kubernetes' components and the CNI
// plugins.
package programs

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

// Programs are the paths of what one lab runs, for every machine too.
type Programs struct {
	// Root is the directory of warren's module.
	Root string
	// Lab is the in-namespace helper, test/lab/cmd/lab; Etcd the server; Plugins the directory of the CNI plugins.
	Lab, Etcd, Plugins string
	// Cache is where they came from. Its zero value has none: they were given.
	Cache artifact.Cache

	// bin is the directory of this lab's own programs and links.
	bin       string
	once      sync.Once
	warrenErr error
}

// components are the names that Kubernetes' multi-call binary is called by.
var components = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
	"kubectl"}

// Prepare builds what the cache does not have, and the lab binary, into dir/bin; where Env names a directory, it builds
// nothing.
func Prepare(ctx context.Context, dir string, progress func(string, ...any)) (*Programs, error) {
	if from := os.Getenv(Env); from != "" {
		return given(from, dir)
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	cacheDir, err := artifact.DefaultDir()
	if err != nil {
		return nil, err
	}
	cache := artifact.Cache{Dir: cacheDir, Progress: progress}
	p := &Programs{Root: root, bin: filepath.Join(dir, "bin"), Cache: cache}
	if err := os.MkdirAll(p.bin, 0o755); err != nil {
		return nil, err
	}
	if p.Lab, err = p.own(ctx, "lab", "./test/lab/cmd/lab"); err != nil {
		return nil, err
	}
	kube, err := cache.Get(ctx, artifact.Kubernetes(root))
	if err != nil {
		return nil, err
	}
	if p.Etcd, err = cache.Get(ctx, artifact.Etcd(root)); err != nil {
		return nil, err
	}
	if p.Plugins, err = cache.Get(ctx, artifact.Plugins(root)); err != nil {
		return nil, err
	}
	return p, p.link(kube)
}

func (p *Programs) link(kube string) error {
	var errs []error
	for _, name := range components {
		errs = append(errs, os.Symlink(kube, p.Component(name)))
	}
	return errors.Join(errs...)
}

// Component is the path of one of Kubernetes' programs by its name, kubelet for example.
func (p *Programs) Component(name string) string { return filepath.Join(p.bin, name) }

// Warren is the path of the program under test, built when it is first asked for.
func (p *Programs) Warren(ctx context.Context) (string, error) {
	p.once.Do(func() { _, p.warrenErr = p.own(ctx, "warren", "./cmd/warren") })
	return p.Component("warren"), p.warrenErr
}

// WireGuardGo is the path of wireguard-go as its authors release it: what a userspace device is compared with. It is
// built when asked for, also where other programs are given.
func (p *Programs) WireGuardGo(ctx context.Context) (string, error) {
	return p.own(ctx, "wireguard-go", "golang.zx2c4.com/wireguard")
}

// own builds a program of this module, or one that it requires, for this lab. A version stamp would have it linked anew
// after every commit.
func (p *Programs) own(ctx context.Context, name, pkg string) (path string, err error) {
	path = p.Component(name)
	return path, p.Cache.Fresh(ctx, artifact.Artifact{Name: name, Module: p.Root,
		Args: []string{"-buildvcs=false", pkg}}, path)
}

// moduleRoot asks go, because the path that a binary remembers of its sources may be another machine's.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "warren.mesh").Output()
	if err != nil {
		return "", fmt.Errorf("find warren's module (run this in its work tree): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Build builds what a lab needs and the cache does not have, warren itself included. links, where not empty, is a
// directory that gets links to etcd and kube-apiserver, for tests that need those and no lab.
func Build(ctx context.Context, links string, progress func(format string, args ...any)) error {
	dir, err := os.MkdirTemp("", "warren-lab-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := Prepare(ctx, dir, progress)
	if err != nil {
		return err
	}
	if _, err := p.Warren(ctx); err != nil || links == "" {
		return err
	}
	return p.linkServers(links)
}

func (p *Programs) linkServers(dir string) error {
	kube, err := os.Readlink(p.Component("kube-apiserver"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, target := range map[string]string{"kube-apiserver": kube, "etcd": p.Etcd} {
		link := filepath.Join(dir, name)
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}
