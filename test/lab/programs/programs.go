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

// The names that Kubernetes' two multi-call binaries are called by: what every lab runs, and the rest.
var (
	controlNames = []string{"kube-apiserver", "kubectl", "node-ipam-controller"}
	kubeletNames = []string{"kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"}
)

// Request says what a lab needs.
type Request struct {
	// Dir is the lab's own directory, whose bin gets its programs and links.
	Dir string
	// Kubelets asks also for what only clusters with kubelets run.
	Kubelets bool
	// Progress gets lines for people about what takes long.
	Progress func(format string, args ...any)
}

// Prepare builds what the cache does not have, and the lab binary; where Env names a directory, it builds nothing.
func Prepare(ctx context.Context, r Request) (*Programs, error) {
	if from := os.Getenv(Env); from != "" {
		return given(from, r.Dir)
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	cacheDir, err := artifact.DefaultDir()
	if err != nil {
		return nil, err
	}
	cache := artifact.Cache{Dir: cacheDir, Progress: r.Progress}
	p := &Programs{Root: root, bin: filepath.Join(r.Dir, "bin"), Cache: cache}
	if err := os.MkdirAll(p.bin, 0o755); err != nil {
		return nil, err
	}
	if p.Lab, err = p.own(ctx, "lab", "./test/lab/cmd/lab"); err != nil {
		return nil, err
	}
	if err := p.link(ctx, artifact.Control(root), controlNames); err != nil {
		return nil, err
	}
	if r.Kubelets {
		if err := p.link(ctx, artifact.Kubernetes(root), kubeletNames); err != nil {
			return nil, err
		}
	}
	if p.Etcd, err = cache.Get(ctx, artifact.Etcd(root)); err != nil {
		return nil, err
	}
	return p, p.plugins(ctx)
}

// plugins makes the directory of the CNI plugins: links to the reference plugins, and warren's own.
func (p *Programs) plugins(ctx context.Context) error {
	reference, err := p.Cache.Get(ctx, artifact.Plugins(p.Root))
	if err != nil {
		return err
	}
	p.Plugins = p.Component("cni")
	if err := os.Mkdir(p.Plugins, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(reference)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(reference, e.Name()), filepath.Join(p.Plugins, e.Name())); err != nil {
			return err
		}
	}
	return p.build(ctx, "./cmd/warren-cni", filepath.Join(p.Plugins, "warren-cni"))
}

// link links the names of a multi-call binary to it, and builds it if the cache does not have it.
func (p *Programs) link(ctx context.Context, binary artifact.Artifact, names []string) error {
	path, err := p.Cache.Get(ctx, binary)
	if err != nil {
		return err
	}
	return p.linkTo(path, names)
}

func (p *Programs) linkTo(path string, names []string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, os.Symlink(path, p.Component(name)))
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
// after every commit. With -trimpath it shares what is compiled with the artifacts, which have that flag too.
func (p *Programs) own(ctx context.Context, name, pkg string) (path string, err error) {
	path = p.Component(name)
	return path, p.build(ctx, pkg, path)
}

func (p *Programs) build(ctx context.Context, pkg, path string) error {
	return p.Cache.Fresh(ctx, artifact.Artifact{Name: filepath.Base(path), Module: p.Root,
		Args: []string{"-buildvcs=false", "-trimpath", pkg}}, path)
}

// moduleRoot asks go, because the path that a binary remembers of its sources may be another machine's.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "warren.mesh").Output()
	if err != nil {
		return "", fmt.Errorf("find warren's module (run this in its work tree): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Build builds what a lab of this kind needs and the cache does not have, warren itself included; r.Dir is not used.
// links, where not empty, is a directory that gets links to etcd and kube-apiserver, for tests that need those and no
// lab.
func Build(ctx context.Context, r Request, links string) (err error) {
	if r.Dir, err = os.MkdirTemp("", "warren-lab-build-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.Dir)
	p, err := Prepare(ctx, r)
	if err != nil {
		return err
	}
	if _, err := p.Warren(ctx); err != nil || links == "" {
		return err
	}
	return p.linkServers(links)
}

func (p *Programs) linkServers(dir string) error {
	control, err := os.Readlink(p.Component("kube-apiserver"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, target := range map[string]string{"kube-apiserver": control, "etcd": p.Etcd} {
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
