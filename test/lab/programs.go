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

	cache     artifact.Cache
	once      sync.Once
	warrenErr error
}

// components are the names that Kubernetes' multi-call binary is called by.
var components = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"}

// prepare builds what the cache does not have, and the lab binary, into dir/bin; where all is given already, it builds nothing.
func prepare(ctx context.Context, dir string, progress func(string, ...any)) (*programs, error) {
	if from := os.Getenv(ProgramsEnv); from != "" {
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
	p := &programs{root: root, bin: filepath.Join(dir, "bin"), cache: cache}
	if err := os.MkdirAll(p.bin, 0o755); err != nil {
		return nil, err
	}
	if p.lab, err = p.own(ctx, "lab", "./test/lab/cmd/lab"); err != nil {
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
	p.once.Do(func() { _, p.warrenErr = p.own(ctx, "warren", "./cmd/warren") })
	return p.component("warren"), p.warrenErr
}

// Warren is the path of the program under test, on every machine too.
func (l *Lab) Warren(t TB) string {
	t.Helper()
	path, err := l.programs.warren(t.Context())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return path
}

// WireGuardGo is the path of wireguard-go as its authors release it, on every machine too: what a userspace device is compared with. It
// is built when asked for, also where other programs are given.
func (l *Lab) WireGuardGo(t TB) string {
	t.Helper()
	path, err := l.programs.own(t.Context(), "wireguard-go", "golang.zx2c4.com/wireguard")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return path
}

// own builds a program of this module, or one that it requires, for this lab. The version stamp would have it linked anew after every commit.
func (p *programs) own(ctx context.Context, name, pkg string) (path string, err error) {
	path = p.component(name)
	return path, p.cache.Fresh(ctx, artifact.Artifact{Name: name, Module: p.root, Args: []string{"-buildvcs=false", pkg}}, path)
}

// moduleRoot asks go, because the path that a binary remembers of its sources may be another machine's.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "warren.mesh").Output()
	if err != nil {
		return "", fmt.Errorf("find warren's module (run this in its work tree): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Build builds what a lab needs and the cache does not have, warren itself included. links, where not empty, is a directory
// that gets links to etcd and kube-apiserver, for tests that need those and no lab.
func Build(ctx context.Context, links string, progress func(format string, args ...any)) error {
	dir, err := os.MkdirTemp("", "warren-lab-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := prepare(ctx, dir, progress)
	if err != nil {
		return err
	}
	if _, err := p.warren(ctx); err != nil || links == "" {
		return err
	}
	return p.linkServers(links)
}

func (p *programs) linkServers(dir string) error {
	kube, err := os.Readlink(p.component("kube-apiserver"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, target := range map[string]string{"kube-apiserver": kube, "etcd": p.etcd} {
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
