package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"warren.mesh/test/emulation"
	"warren.mesh/test/lab/artifact"
)

// The names under which the Dockerfile's base images are imported.
const (
	debianName = "docker.io/library/debian:trixie-slim"
	goName     = "docker.io/library/golang:1.26-trixie"
	// nativeName is Debian for this machine, in a storage whose images are for another architecture.
	nativeName = "localhost/native"
)

const suite, mirror = "trixie", "http://deb.debian.org/debian"

// slim lists what Debian's slim images leave out (debuerreotype, slimify-excludes).
var slim = []string{"/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*",
	"/usr/share/lintian/*", "/usr/share/groff/*"}

// apt keeps what it downloads and indexes out of layers (debuerreotype-minimizing-config).
const apt = `DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
`

const sources = `deb http://deb.debian.org/debian trixie main
deb http://deb.debian.org/debian trixie-updates main
deb http://deb.debian.org/debian-security trixie-security main
`

// base returns how to make a root file system of Debian's smallest variant for an architecture.
func base(arch string) artifact.Made {
	made := artifact.Made{
		Name:   "debian.tar",
		Inputs: append([]string{suite, mirror, sources, apt}, slim...),
		Cost:   "Debian by debootstrap, about a minute",
		Make: func(ctx context.Context, output string) error {
			return makeBase(ctx, output, func(root string) error {
				return command(ctx, "debootstrap", "--variant=minbase", suite, root, mirror)
			})
		},
	}
	if arch != runtime.GOARCH {
		made.Name = "debian-" + arch + ".tar"
		made.Cost = "Debian for " + arch + " by debootstrap under emulation, some minutes"
		made.Make = func(ctx context.Context, output string) error {
			return makeBase(ctx, output, func(root string) error { return emulatedDebootstrap(ctx, arch, root) })
		}
	}
	return made
}

// emulatedDebootstrap runs debootstrap where programs for arch run. As in a container, device nodes cannot be made
// there.
func emulatedDebootstrap(ctx context.Context, arch, root string) error {
	c, err := emulation.Command(ctx, arch, "debootstrap", "--arch="+arch, "--variant=minbase", suite, root, mirror)
	if err != nil {
		return err
	}
	c.Env = append(os.Environ(), "container=lxc")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("debootstrap for %s: %w\n%s", arch, err, tail(out))
	}
	return nil
}

func makeBase(ctx context.Context, output string, debootstrap func(root string) error) error {
	root, err := os.MkdirTemp(filepath.Dir(output), "root-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := debootstrap(root); err != nil {
		return err
	}
	if err := slimDown(root); err != nil {
		return err
	}
	return command(ctx, "tar", "--create", "--numeric-owner", "--sort=name", "--file="+output, "--directory="+root,
		"--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", ".")
}

// slimDown removes what the slim images do not have, and configures dpkg to leave it out from now on.
func slimDown(root string) error {
	var excludes strings.Builder
	for _, pattern := range slim {
		fmt.Fprintf(&excludes, "path-exclude=%s\n", pattern)
		if err := remove(filepath.Join(root, pattern)); err != nil {
			return err
		}
	}
	for _, pattern := range []string{"var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*",
		"var/log/*.log"} {
		if err := remove(filepath.Join(root, pattern)); err != nil {
			return err
		}
	}
	for file, content := range map[string]string{
		"etc/dpkg/dpkg.cfg.d/slim": excludes.String(), "etc/apt/apt.conf.d/slim": apt, "etc/apt/sources.list": sources,
	} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func remove(pattern string) error {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, match := range matches {
		if err := os.RemoveAll(match); err != nil {
			return err
		}
	}
	return nil
}

// importBases imports the base images into the storage, if they are absent: Debian for the images' architecture, and
// Debian with this machine's Go, which compiles for either.
func (b Builder) importBases(ctx context.Context, archive string) error {
	if err := b.importDebian(ctx, archive, debianName, b.arch); err != nil {
		return err
	}
	if b.buildah.has(ctx, goName) {
		return nil
	}
	if !b.foreign() {
		return b.importGo(ctx, debianName)
	}
	archive, err := b.Cache.GetMade(ctx, base(runtime.GOARCH))
	if err != nil {
		return err
	}
	if err := b.importDebian(ctx, archive, nativeName, runtime.GOARCH); err != nil {
		return err
	}
	return b.importGo(ctx, nativeName)
}

// importDebian imports a root file system, if there is no image of this name.
func (b Builder) importDebian(ctx context.Context, archive, name, arch string) error {
	if b.buildah.has(ctx, name) {
		return nil
	}
	config := []string{
		"config", "--env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "--cmd=bash",
		"--arch=" + arch,
	}
	if arch == "arm64" {
		// The only one that there is. buildah wants it said.
		config = append(config, "--variant=v8")
	}
	return b.buildah.commit(ctx, "scratch", name, []string{"add", "--quiet", "CONTAINER", archive, "/"},
		append(config, "CONTAINER"))
}

// importGo makes the build stage's base. It copies the machine's certificates, for networks with an authority of their
// own. Modules that the machine already has are read from where Warren mounts them.
func (b Builder) importGo(ctx context.Context, debian string) error {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("ask go for its root (%s): %w", runtime.Version(), err)
	}
	return b.buildah.commit(ctx, debian, goName,
		[]string{"copy", "--quiet", "CONTAINER", strings.TrimSpace(string(root)), "/usr/local/go"},
		[]string{"copy", "--quiet", "CONTAINER", "/etc/ssl/certs/ca-certificates.crt",
			"/etc/ssl/certs/ca-certificates.crt"},
		[]string{
			"config", "--env=PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"--env=GOPATH=/go", "--env=GOTOOLCHAIN=local",
			"--env=GOPROXY=file://" + modules + ",https://proxy.golang.org,direct", "CONTAINER",
		})
}

// command runs a program. The error holds the end of its output.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, tail(out))
	}
	return nil
}
