package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"warren.mesh/test/lab/artifact"
)

// Image is an image that is ready to be imported.
type Image struct {
	// Name is its reference, with registry and tag.
	Name string
	// Aliases are further references to the same image. A node gets them too.
	Aliases []string
	// Archive is the path of a docker-archive, which `ctr images import` reads.
	Archive string
}

// Builder builds images.
type Builder struct {
	// Root is the directory of warren's module.
	Root  string
	Cache artifact.Cache

	buildah buildah
	// arch is the images' architecture, as GOARCH says it.
	arch string
}

// The images' names in manifests and in upstream's tests.
const (
	WarrenName  = "warren.mesh/warren:dev"
	PauseName   = "registry.k8s.io/pause:3.10.2"
	DNSName     = "registry.k8s.io/coredns/coredns:v1.14.6"
	AgnhostName = "registry.k8s.io/e2e-test-images/agnhost:2.66.1"

	// resolverName is an image that upstream's tests of DNS run beside agnhost. It needs dig and getent, which
	// agnhost's image here has.
	resolverName = "registry.k8s.io/e2e-test-images/glibc-dns-testing:2.1.1"
)

// modules is where the build stage finds the module cache of the machine that builds.
const modules = "/var/cache/modules"

// recipe says how buildah builds an image.
type recipe struct {
	name string
	// file is the Dockerfile, context the directory from which it copies.
	file, context string
	// files are what the image depends on, relative to context.
	files []string
	// beside returns the directory that the Dockerfile knows as the build context "beside"; nil: there is none.
	beside func(ctx context.Context) (string, error)
	// arguments are further ones of buildah build.
	arguments []string
}

// NewBuilder prepares a storage with base images, and makes them if the cache has none.
func NewBuilder(ctx context.Context, root string, cache artifact.Cache) (Builder, error) {
	return newBuilder(ctx, root, cache, runtime.GOARCH)
}

// newBuilder is NewBuilder for images of another architecture too.
func newBuilder(ctx context.Context, root string, cache artifact.Cache, arch string) (Builder, error) {
	debian := base(arch)
	archive, err := cache.GetMade(ctx, debian)
	if err != nil {
		return Builder{}, err
	}
	// Each base has a storage of its own.
	key := filepath.Base(filepath.Dir(archive))
	b := Builder{Root: root, Cache: cache, arch: arch, buildah: buildah{
		dir:       filepath.Join(cache.Dir, "buildah-"+key),
		temporary: filepath.Join(cache.Dir, "buildah-tmp"),
	}}
	if b.foreign() {
		b.buildah.emulated = arch
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return Builder{}, err
	}
	defer unlock()
	if err := b.importBases(ctx, archive); err != nil {
		return Builder{}, fmt.Errorf("import base images: %w", err)
	}
	return b, errors.Join(cache.Use(b.buildah.dir), cache.Prune("buildah-"+debian.Name))
}

// foreign reports whether this machine needs emulation for the images' programs.
func (b Builder) foreign() bool { return b.arch != runtime.GOARCH }

// lock locks the storage against others: they might build on what is pruned.
func (b Builder) lock(ctx context.Context) (unlock func(), err error) {
	return b.Cache.Lock(ctx, filepath.Base(b.buildah.dir))
}

// Warren builds warren's image from the work tree as it is, if the cache does not have it.
func (b Builder) Warren(ctx context.Context) (Image, error) {
	files, err := artifact.Sources(b.Root)
	if err != nil {
		return Image{}, err
	}
	product := []string{"Dockerfile", ".dockerignore", "cni/plugins/go.mod", "cni/plugins/go.sum"}
	for _, file := range files {
		if !strings.HasPrefix(file, "test"+string(filepath.Separator)) {
			product = append(product, file)
		}
	}
	return b.build(ctx, recipe{name: WarrenName, file: filepath.Join(b.Root, "Dockerfile"), context: b.Root,
		files: product})
}

// build returns the image of r, and builds it if the cache does not have it.
func (b Builder) build(ctx context.Context, r recipe) (Image, error) {
	dockerfile, err := os.ReadFile(r.file)
	if err != nil {
		return Image{}, err
	}
	short := strings.TrimSuffix(filepath.Base(r.name), filepath.Ext(r.name))
	short, _, _ = strings.Cut(short, ":")
	archive, err := b.Cache.GetMade(ctx, artifact.Made{
		Name: "image-" + short + ".tar", Dir: r.context, Files: r.files,
		Inputs: []string{r.name, string(dockerfile), b.buildah.dir},
		Cost:   "container image " + r.name,
		Make:   func(ctx context.Context, output string) error { return b.make(ctx, r, output) },
	})
	if err != nil {
		return Image{}, fmt.Errorf("build image %s: %w", r.name, err)
	}
	return Image{Name: r.name, Archive: archive}, nil
}

func (b Builder) make(ctx context.Context, r recipe, output string) error {
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := b.buildLocked(ctx, r); err != nil {
		return err
	}
	if _, err := b.buildah.run(ctx, "push", "--quiet", r.name, "docker-archive:"+output+":"+r.name); err != nil {
		return err
	}
	return b.prune(ctx)
}

// buildLocked builds the image into the storage, which the caller has locked.
func (b Builder) buildLocked(ctx context.Context, r recipe) error {
	cache, err := exec.CommandContext(ctx, "go", "env", "GOMODCACHE").Output()
	if err != nil {
		return fmt.Errorf("ask go for its module cache: %w", err)
	}
	volume := filepath.Join(strings.TrimSpace(string(cache)), "cache", "download") + ":" + modules + ":ro"
	// With --force-rm a build that fails leaves no container, whose image could not be pruned after the next one.
	arguments := []string{"build", "--pull-never", "--layers", "--force-rm", "--network=host", "--volume=" + volume,
		"--tag=" + r.name, "--file=" + r.file,
		// buildah sets them itself only from 1.29 on, or with --platform.
		"--build-arg=BUILDPLATFORM=linux/" + runtime.GOARCH, "--build-arg=TARGETPLATFORM=linux/" + b.arch}
	arguments = append(arguments, r.arguments...)
	if r.beside != nil {
		dir, err := r.beside(ctx)
		if err != nil {
			return err
		}
		arguments = append(arguments, "--build-context=beside="+dir)
	}
	_, err = b.buildah.run(ctx, append(arguments, r.context)...)
	return err
}

// prune removes the image that had the name before, and the layers that only it used. Containers go first: a build that
// was killed leaves one, and the image that it uses could never be pruned.
func (b Builder) prune(ctx context.Context) error {
	if _, err := b.buildah.run(ctx, "rm", "--all"); err != nil {
		return err
	}
	_, err := b.buildah.run(ctx, "rmi", "--prune")
	return err
}
