package release_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"warren.mesh/mesh/meshtest"
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
	run(t, root, nil, "make", "--no-print-directory", "release", "VERSION="+version, "REPOSITORY="+image, "URL="+url)
	dir := filepath.Join(root, "bin", "release", version)
	t.Run("checksums", func(t *testing.T) { checksums(t, dir) })
	t.Run("programs", func(t *testing.T) { programs(t, dir) })
	t.Run("tests on arm64", arm64)
	t.Run("plugins", func(t *testing.T) { plugins(t, dir) })
	t.Run("image", func(t *testing.T) { pinned(t, dir) })
}

// run runs a command and returns what it prints.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// emulator runs programs for arm64 on this machine.
const emulator = "qemu-aarch64-static"

// checksums wants the checksum of each file, and no others.
func checksums(t *testing.T, dir string) {
	run(t, dir, nil, "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	// Two archives of programs, six of the plugin, an SBOM for each; image, manifest, krew's.
	if n := strings.Count(read(t, dir, "SHA256SUMS"), "\n"); n != len(files)-1 || n != 19 {
		t.Errorf("%d checksums of %d files", n, len(files))
	}
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// programs wants the programs of both architectures to say their version, and the SBOMs to have their modules.
func programs(t *testing.T, dir string) {
	for arch, prefix := range map[string][]string{"amd64": nil, "arm64": {emulator}} {
		name := "warren-" + version + "-linux-" + arch
		work := t.TempDir()
		run(t, work, nil, "tar", "--extract", "--file="+absolute(t, dir, name+".tar.gz"))
		command := slices.Concat(prefix, []string{filepath.Join(work, name, "warren"), "version"})
		if got := run(t, work, nil, command[0], command[1:]...); got != version+"\n" {
			t.Errorf("%s: version %q", name, got)
		}
		for _, plugin := range []string{"warren-cni", "bridge", "host-local", "portmap"} {
			if info, err := os.Stat(filepath.Join(work, name, "cni", plugin)); err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("%s: %s: %v", name, plugin, err)
			}
		}
		bill(t, dir, name)
	}
}

// bill wants the SBOM to be of the version, and to name a module that every program has, and the standard library.
func bill(t *testing.T, dir, name string) {
	t.Helper()
	type component struct{ Name, Version string }
	var sbom struct {
		BOMFormat  string
		Metadata   struct{ Component component }
		Components []component
	}
	if err := json.Unmarshal([]byte(read(t, dir, name+".cdx.json")), &sbom); err != nil {
		t.Fatal(err)
	}
	if sbom.BOMFormat != "CycloneDX" || sbom.Metadata.Component != (component{"warren.mesh", version}) {
		t.Errorf("%s: SBOM %s of %v", name, sbom.BOMFormat, sbom.Metadata.Component)
	}
	for _, want := range []string{"github.com/spf13/cobra", "k8s.io/client-go", "std"} {
		if !slices.ContainsFunc(sbom.Components, func(c component) bool { return c.Name == want && c.Version != "" }) {
			t.Errorf("%s: the SBOM lacks %s", name, want)
		}
	}
}

// arm64 runs the unit tests of the packages whose results depend on the architecture most: keys, numbers, text.
func arm64(t *testing.T) {
	env := []string{"GOARCH=arm64", "CGO_ENABLED=0"}
	run(t, root, env, "go", "test", "-count=1", "-exec="+emulator, "-skip=^TestPrivileged", "./keys", "./mesh/guard",
		"./mesh/status")
}

// plugins wants krew's manifest to have each archive with its checksum.
func plugins(t *testing.T, dir string) {
	var krew struct {
		Spec struct {
			Version   string
			Platforms []struct {
				URI, SHA256, Bin string
				Selector         struct{ MatchLabels struct{ OS, Arch string } }
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, dir, "warren.krew.yaml")), &map[string]any{}); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(read(t, dir, "warren.krew.yaml")), &krew); err != nil {
		t.Fatal(err)
	}
	if krew.Spec.Version != version || len(krew.Spec.Platforms) != 6 {
		t.Errorf("krew: version %s, %d platforms", krew.Spec.Version, len(krew.Spec.Platforms))
	}
	for _, p := range krew.Spec.Platforms {
		os, arch := p.Selector.MatchLabels.OS, p.Selector.MatchLabels.Arch
		name := "kubectl-warren-" + version + "-" + os + "-" + arch
		content := read(t, dir, name+".tar.gz")
		sum := sha256.Sum256([]byte(content))
		if p.URI != url+"/"+name+".tar.gz" || p.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("krew: %s %s, not that of %s", p.URI, p.SHA256, name)
		}
		files := names(t, content)
		if !slices.Contains(files, name+"/"+p.Bin) || !slices.Contains(files, name+"/LICENSE") {
			t.Errorf("%s holds %v", name, files)
		}
		bill(t, dir, name)
	}
}

// names returns the names in a .tar.gz.
func names(t *testing.T, content string) (all []string) {
	t.Helper()
	unzipped, err := gzip.NewReader(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, header.Name)
	}
}

// pinned wants the manifest to name the image by the digest that its archive has.
func pinned(t *testing.T, dir string) {
	var index struct{ Manifests []struct{ Digest string } }
	content := run(t, dir, nil, "tar", "--extract", "--to-stdout", "--file=warren-"+version+"-image.tar", "index.json")
	if err := json.Unmarshal([]byte(content), &index); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("index.json: %v\n%s", err, content)
	}
	name := image + "@" + index.Manifests[0].Digest
	manifest := read(t, dir, "warren.yaml")
	if n := strings.Count(manifest, "image: "+name+"\n"); n != 3 || strings.Contains(manifest, ":dev") {
		t.Errorf("warren.yaml names %s %d times", name, n)
	}
}

func absolute(t *testing.T, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
