package vm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"warren.mesh/test/lab/artifact"
	"warren.mesh/test/lab/debian13"
	"warren.mesh/test/lab/programs"
	"warren.mesh/test/lab/tb"
	"warren.mesh/test/vm/guest"
)

// suite is one package whose tests run in the guest.
type suite struct {
	// dir is the package's, relative to the module.
	dir string
	// args are the test binary's, and timeout bounds it, as the guest's clock has it.
	args    []string
	timeout time.Duration
}

// Where things are in the guest.
const (
	moduleHome = "/modules"
	// sourceHome has the tests' directories, with their testdata.
	sourceHome = "/src"
	// programHome is as programs.Env has it.
	programHome = "/opt/warren"
	// guestCache is as artifact.DefaultDir has it, for the guest's HOME.
	guestCache = "/root/.cache/warren"
)

// image is what an initramfs is made of.
type image struct {
	cache artifact.Cache
	// root is the directory of warren's module, kernel that of a fetched kernel, work where programs are built.
	root, kernel, work string
	suites             []suite
	// together has the machines run at the same time.
	together bool
}

// write makes the initramfs.
func (i image) write(ctx context.Context, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	a := newArchive(out)
	if err := i.fill(ctx, a); err != nil {
		return fmt.Errorf("make an initramfs: %w", err)
	}
	if err := errors.Join(a.close(), out.Flush(), f.Close()); err != nil {
		return fmt.Errorf("write an initramfs: %w", err)
	}
	return nil
}

func (i image) fill(ctx context.Context, a *archive) error {
	if err := i.addPrograms(ctx, a); err != nil {
		return err
	}
	plan := guest.Plan{Sysctls: sysctls, Env: environment}
	for _, s := range i.suites {
		test, err := i.addSuite(ctx, a, s)
		if err != nil {
			return err
		}
		plan.Tests = append(plan.Tests, test)
	}
	order, err := os.ReadFile(filepath.Join(i.kernel, orderFile))
	if err != nil {
		return err
	}
	for name := range strings.Lines(string(order)) {
		plan.Modules = append(plan.Modules, path.Join(moduleHome, strings.TrimSpace(name)))
	}
	a.addTree(moduleHome, filepath.Join(i.kernel, moduleDir))
	text, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	a.add(guest.PlanFile, text)
	return a.addUserland()
}

// sysctls are the guest's root namespace's; new namespaces have the kernel's defaults, or a copy.
//
// The queue of packets that go from one namespace to another is as long as the lab's buffers for flows, since one
// emulated machine is all nodes at once: where 1,000 had to do, a guest with Linux 6.1 dropped 5,749 there
// (/proc/net/softnet_stat) while daemons started, and flows had lost 5,722.
var sysctls = map[string]string{"net/core/netdev_max_backlog": "20000"}

// environment asks for privileged tests on the kernel's WireGuard, which must not fall back to anything else, and says
// where what tests would build lies ready.
var environment = []string{
	"PATH=/usr/bin", "HOME=/root", "LANG=C.UTF-8", "WARREN_PRIVILEGED=1", "WARREN_WIREGUARD=kernel",
	"WARREN_SCTP=1", // the modules have it, so tests of it must not do without
	"WARREN_IPVS=1",
	tb.SlowEnv + "=10", // meshes of one emulated processor, that other work may have half of
	"WARREN_CLOCK=1",   // nobody else reads the guest's clock, so a test may set it
	"WARREN_CNI_PLUGINS=" + programHome + "/plugins", programs.Env + "=" + programHome,
}

// addPrograms adds init and the CNI plugins, and what a lab runs where there is to be one.
func (i image) addPrograms(ctx context.Context, a *archive) error {
	if err := i.addBuilt(ctx, a, "/init",
		artifact.Artifact{Name: "init", Args: []string{"./test/vm/init"}}); err != nil {
		return err
	}
	plugins, err := i.cache.Get(ctx, artifact.Plugins(i.root))
	if err != nil {
		return err
	}
	a.addTree(programHome+"/plugins", plugins)
	if err := i.addBuilt(ctx, a, programHome+"/plugins/warren-cni",
		artifact.Artifact{Name: "warren-cni", Args: []string{"./cmd/warren-cni"}}); err != nil {
		return err
	}
	if i.hasLab() {
		return errors.Join(i.addLab(ctx, a), i.addNewerNFT(ctx, a))
	}
	return nil
}

// addNewerNFT adds nft of Debian 13 where the guest's tests look for it: they cannot download it.
func (i image) addNewerNFT(ctx context.Context, a *archive) error {
	dir, err := debian13.NFT(ctx, i.cache)
	if err != nil {
		return err
	}
	made := filepath.Dir(dir) // Its name has the hash by which the cache finds it.
	a.addTree(path.Join(guestCache, filepath.Base(made), filepath.Base(dir)), dir)
	return nil
}

// hasLab reports whether whole meshes are among the tests.
func (i image) hasLab() bool {
	return slices.ContainsFunc(i.suites, func(s suite) bool { return whole(s.dir) })
}

// whole reports whether the tests in a directory are of whole meshes.
func whole(dir string) bool { return strings.HasPrefix(dir, "test/") }

// addLab adds what tests of whole meshes run, as programs.Env has it.
func (i image) addLab(ctx context.Context, a *archive) error {
	for name, dir := range map[string]string{"warren": "./cmd/warren", "lab": "./test/lab/cmd/lab"} {
		if err := i.addBuilt(ctx, a, path.Join(programHome, name),
			artifact.Artifact{Name: name, Args: []string{dir}}); err != nil {
			return err
		}
	}
	for name, server := range map[string]artifact.Artifact{"etcd": artifact.Etcd(i.root),
		"control": artifact.Control(i.root)} {
		file, err := i.cache.Get(ctx, server)
		if err != nil {
			return err
		}
		a.addFile(path.Join(programHome, name), file)
	}
	a.addTree(programHome+"/manifests", filepath.Join(i.root, "manifests"))
	return nil
}

// addSuite adds a package's test binary and testdata.
func (i image) addSuite(ctx context.Context, a *archive, s suite) (guest.Test, error) {
	home := path.Join(sourceHome, s.dir)
	name := strings.ReplaceAll(s.dir, "/", "-") + ".test"
	t := guest.Test{
		Package: path.Join("warren.mesh", s.dir), Program: path.Join(home, name), Dir: home, Timeout: s.timeout,
		Args: append([]string{"-test.v=test2json"}, s.args...),
	}
	err := i.addBuilt(ctx, a, t.Program, artifact.Artifact{Name: name, Args: []string{"./" + s.dir}, Test: true})
	if err != nil {
		return guest.Test{}, err
	}
	data := filepath.Join(i.root, s.dir, "testdata")
	if _, err := os.Stat(data); err == nil {
		a.addTree(path.Join(home, "testdata"), data)
	}
	return t, nil
}

// addBuilt builds a program of the module and adds it. Without its tables for debuggers it is two thirds as large.
func (i image) addBuilt(ctx context.Context, a *archive, name string, built artifact.Artifact) error {
	built.Module, built.Args = i.root, append([]string{"-ldflags=-s -w"}, built.Args...)
	if !built.Test {
		built.Args = append([]string{"-buildvcs=false"}, built.Args...)
	}
	// Others of that name, built with other flags, are of the lab.
	built.Name = "vm-" + built.Name
	file := filepath.Join(i.work, built.Name)
	if _, err := os.Stat(file); err != nil {
		if err := i.cache.Fresh(ctx, built, file); err != nil {
			return err
		}
	}
	a.addFile(name, file)
	return nil
}
