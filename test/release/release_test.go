package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/emulation"
)

const (
	root    = "../.."
	version = "v0.1.0-test"
	image   = "registry.example/warren"
	url     = "https://example.com/" + version
)

// A release is whole, says which version it is everywhere, and its programs run, those for arm64 under emulation.
func TestPrivilegedLongRelease(t *testing.T) {
	meshtest.Privileged(t)
	dir := filepath.Join(root, "bin", "release", version)
	arguments := []string{"--no-print-directory", "release", "VERSION=" + version, "REPOSITORY=" + image, "URL=" + url}
	run(t, root, nil, "make", arguments...)
	t.Run("checksums", func(t *testing.T) { checksums(t, dir) })
	t.Run("programs", func(t *testing.T) { programs(t, dir) })
	t.Run("plugins", func(t *testing.T) { plugins(t, dir) })
	t.Run("image", func(t *testing.T) { images(t, dir) })
	t.Run("manifests", func(t *testing.T) { manifests(t, dir) })
	t.Run("chart", func(t *testing.T) { chart(t, dir) })
	t.Run("tests on arm64", arm64)
	t.Run("made again", func(t *testing.T) {
		before := read(t, dir, "SHA256SUMS")
		run(t, root, nil, "make", arguments...)
		if after := read(t, dir, "SHA256SUMS"); after != before {
			t.Errorf("the same commit made other files:\n%s\nand before:\n%s", after, before)
		}
	})
}

// run runs a command and returns its standard output.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	return output(t, c)
}

func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", c.Args, err, out, errs.String())
	}
	return string(out)
}

// checksums wants the checksum of each file, and no others.
func checksums(t *testing.T, dir string) {
	run(t, dir, nil, "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	want := slices.Sorted(slices.Values(files()))
	var summed, present []string
	for line := range strings.Lines(read(t, dir, "SHA256SUMS")) {
		summed = append(summed, strings.Fields(line)[1])
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "SHA256SUMS" {
			present = append(present, e.Name())
		}
	}
	slices.Sort(summed)
	if !slices.Equal(summed, want) || !slices.Equal(present, want) {
		t.Errorf("checksums of %v\nfiles %v\nwant %v", summed, present, want)
	}
}

// files are what a release consists of, besides the checksums.
func files() []string {
	all := []string{
		"warren-" + version + "-image.tar", "warren.yaml", "warren-uninstall.yaml", "warren.krew.yaml",
		"warren-" + version[1:] + ".tgz", "warren-" + version + "-chart.tar",
	}
	for _, arch := range []string{"amd64", "arm64"} {
		name := "warren-" + version + "-linux-" + arch
		all = append(all, name+".tar.gz", name+".cdx.json", "warren-"+version+"-image-linux-"+arch+".cdx.json")
		for _, system := range []string{"linux", "darwin", "windows"} {
			name := "kubectl-warren-" + version + "-" + system + "-" + arch
			all = append(all, name+".tar.gz", name+".cdx.json")
		}
	}
	return all
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// arm64 runs the unit tests of what is neither of this kernel nor of a cluster.
func arm64(t *testing.T) {
	c, err := emulation.Command(t.Context(), "arm64", "go", append([]string{
		"test", "-count=1", "-timeout=10m", "-skip=^TestPrivileged",
	}, pure...)...)
	if err != nil {
		t.Fatal(err)
	}
	c.Dir = root
	c.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	t.Log(output(t, c))
}

// pure are the packages whose tests run under emulation. In mesh/userspace one of processor time does not end there;
// those of mesh/linux, mesh/kube and the commands would take longer to compile than all of these take.
var pure = []string{
	"./keys/...", "./internal/...", "./mesh", "./mesh/guard/...", "./mesh/nft/...", "./mesh/policy/...",
	"./mesh/ports/...", "./mesh/loop/...", "./mesh/plan/...", "./mesh/status/...", "./mesh/view/...",
	"./mesh/doctor/...", "./mesh/explain/...", "./mesh/graph/...", "./mesh/bundle/...", "./mesh/agent/...", "./cni/...",
}
