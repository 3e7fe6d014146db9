package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"warren.mesh/test/lab/artifact"
)

// Kernel is a series of Debian's kernels for virtual machines.
type Kernel struct {
	// Series is major and minor version.
	Series string
	// Package depends on the newest kernel of the series.
	Package string
	// Modules are those that this series needs beyond modules.
	Modules []string
}

// The kernels that Debian 12 ships: today's, and the one that it was released with.
var (
	Linux612 = Kernel{Series: "6.12", Package: "linux-image-6.12-cloud-amd64"}
	// Objects (named counters) are a module of their own there.
	Linux61 = Kernel{Series: "6.1", Package: "linux-image-cloud-amd64", Modules: []string{"nft_objref"}}
)

// modules are what tests and warren need of a kernel and Debian has not built in; a guest loads them all, because
// nothing in it would load one when it is asked for.
var modules = []string{
	"wireguard", "tun", "veth", "bridge", "br_netfilter", "dummy",
	"nft_chain_nat", "nft_masq", "nft_nat", "nft_redir", "nft_ct", "nft_fib_inet", "nft_limit",
	"nft_log", "nft_numgen", "nft_reject_inet", "nft_reject_ipv4", "nft_reject_ipv6",
	"nf_conntrack_netlink", "sch_tbf", "sctp", "nft_meta_bridge", "ip_vs", "ip_vs_rr",
	// iptables, over nftables and the older way.
	"nft_compat", "iptable_filter", "iptable_nat", "ip6table_filter", "ip6table_nat", "ipt_REJECT", "ip6t_REJECT",
	"xt_addrtype", "xt_comment", "xt_conntrack", "xt_limit", "xt_LOG", "xt_mark", "xt_MASQUERADE", "xt_multiport",
	"xt_nat", "xt_tcpudp",
}

// Files of a kernel's directory.
const (
	imageFile = "vmlinuz"
	moduleDir = "modules"
	// orderFile lists the files in moduleDir in the order to load them in.
	orderFile = "order"
	// releaseFile holds what uname -r says.
	releaseFile = "release"
)

// fetch is the directory of the kernel: its image and the modules, ready to load. The cache has it from the second time
// on, and does not ask for a newer one: what a test ran on must not change from one day to the next by itself.
func (k Kernel) fetch(ctx context.Context, cache artifact.Cache) (string, error) {
	dir, err := cache.GetMade(ctx, artifact.Made{
		Name: "linux-" + k.Series, Inputs: append([]string{k.Package}, k.wanted()...),
		Cost: "Debian's kernel " + k.Series + ", 30 MB to download",
		Make: k.make,
	})
	if err != nil {
		return "", fmt.Errorf("get kernel %s: %w", k.Series, err)
	}
	return dir, nil
}

func (k Kernel) wanted() []string { return slices.Concat(modules, k.Modules) }

// make downloads the newest kernel of the series into dir.
func (k Kernel) make(ctx context.Context, dir string) error {
	// On the cache's file system, for renaming.
	work, err := os.MkdirTemp(filepath.Dir(dir), "unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	root := filepath.Join(work, "root")
	if err := k.unpack(ctx, work, root); err != nil {
		return err
	}
	releases, err := os.ReadDir(filepath.Join(root, "lib", "modules"))
	if err != nil {
		return err
	}
	if len(releases) != 1 {
		return fmt.Errorf("package %s has %d kernels, want 1", k.Package, len(releases))
	}
	release := releases[0].Name()
	if err := os.MkdirAll(filepath.Join(dir, moduleDir), 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.Rename(filepath.Join(root, "boot", "vmlinuz-"+release), filepath.Join(dir, imageFile)),
		os.WriteFile(filepath.Join(dir, releaseFile), []byte(release), 0o644),
		tree{root: root, release: release}.extract(ctx, k.wanted(), dir),
	)
}

// unpack downloads the package that k.Package depends on to work, and unpacks it into root.
func (k Kernel) unpack(ctx context.Context, work, root string) error {
	if _, err := output(ctx, work, "apt-get", "-qq", "-o", "Acquire::Retries=3", "update"); err != nil {
		return err
	}
	depends, err := output(ctx, work, "apt-cache", "depends", "--important", k.Package)
	if err != nil {
		return err
	}
	_, name, found := strings.Cut(string(depends), "Depends: ")
	if !found {
		return fmt.Errorf("apt-cache names no kernel that %s depends on: %s", k.Package, depends)
	}
	name = strings.TrimSpace(name)
	if _, err := output(ctx, work, "apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3",
		"download", name); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("apt-get downloaded %q as %s, want one file (%v)", files, name, err)
	}
	_, err = output(ctx, work, "dpkg", "-x", files[0], root)
	return err
}

// output runs a command in dir; its error has what the command said.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, name, args...)
	var said bytes.Buffer
	c.Dir, c.Stderr = dir, &said
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said.Bytes())
	}
	return out, nil
}
