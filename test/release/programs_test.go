package release_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"warren.mesh/test/emulation"
)

// machines are the architectures of a release, as ELF headers say them.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// cniPlugins are the programs that a runtime executes.
var cniPlugins = []string{"warren-cni", "bridge", "host-local", "loopback", "portmap"}

// programs wants the programs to be of their architectures and to say their version, and the SBOMs to have their
// modules.
func programs(t *testing.T, dir string) {
	for arch, machine := range machines {
		name := "warren-" + version + "-linux-" + arch
		found := unpack(t, read(t, dir, name+".tar.gz"))
		wantMachine(t, name+"/warren", found[name+"/warren"], machine)
		for _, plugin := range cniPlugins {
			wantMachine(t, plugin, found[name+"/cni/"+plugin], machine)
		}
		if found[name+"/LICENSE"] == "" || found[name+"/NOTICE"] == "" {
			t.Errorf("%s lacks licence or notice", name)
		}
		program := filepath.Join(t.TempDir(), "warren")
		if err := os.WriteFile(program, []byte(found[name+"/warren"]), 0o700); err != nil {
			t.Fatal(err)
		}
		c, err := emulation.Command(t.Context(), arch, program, "version")
		if err != nil {
			t.Fatal(err)
		}
		if got := output(t, c); got != version+"\n" {
			t.Errorf("%s: version %q, want %s", name, got, version)
		}
		bill(t, dir, name, "github.com/spf13/cobra", "k8s.io/client-go", "github.com/containernetworking/plugins",
			"std")
	}
}

func wantMachine(t *testing.T, name, content string, want elf.Machine) {
	t.Helper()
	file, err := elf.NewFile(strings.NewReader(content))
	if err != nil || file.Machine != want {
		t.Errorf("%s: %v, want a program for %v", name, err, want)
	}
}

// bill wants the SBOM to be of the version, and to name components with their versions.
func bill(t *testing.T, dir, name string, want ...string) {
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
	if sbom.BOMFormat != "CycloneDX" || sbom.Metadata.Component != (component{name, version}) {
		t.Errorf("%s: SBOM %s of %v", name, sbom.BOMFormat, sbom.Metadata.Component)
	}
	if !slices.Contains(sbom.Components, component{"warren.mesh", version}) {
		t.Errorf("%s: the SBOM lacks warren.mesh %s", name, version)
	}
	for _, want := range want {
		if !slices.ContainsFunc(sbom.Components, func(c component) bool { return c.Name == want && c.Version != "" }) {
			t.Errorf("%s: the SBOM lacks %s", name, want)
		}
	}
}

// unpack returns the regular files in a .tar.gz.
func unpack(t *testing.T, content string) map[string]string {
	t.Helper()
	unzipped, err := gzip.NewReader(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, all)
}

// untar returns the regular files in a .tar.
func untar(t *testing.T, content []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	for archive := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			files[strings.TrimPrefix(header.Name, "./")] = string(content)
		}
	}
}
