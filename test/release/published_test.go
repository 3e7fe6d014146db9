package release_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"warren.mesh/test/oci"
)

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
		system, arch := p.Selector.MatchLabels.OS, p.Selector.MatchLabels.Arch
		name := "kubectl-warren-" + version + "-" + system + "-" + arch
		content := read(t, dir, name+".tar.gz")
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
		if p.URI != url+"/"+name+".tar.gz" || p.SHA256 != sum {
			t.Errorf("krew: %s %s, want that of %s: %s", p.URI, p.SHA256, name, sum)
		}
		if found := unpack(t, content); found[name+"/"+p.Bin] == "" || found[name+"/LICENSE"] == "" {
			t.Errorf("%s lacks %s or the licence", name, p.Bin)
		}
		bill(t, dir, name, "github.com/spf13/cobra", "k8s.io/client-go", "std")
	}
}

// images wants an image for each architecture, with the programs of the archives and Debian's of that architecture.
func images(t *testing.T, dir string) {
	a := archive(t, dir)
	if len(a.Images) != len(machines) {
		t.Errorf("%d images", len(a.Images))
	}
	for _, i := range a.Images {
		machine, ok := machines[i.Architecture]
		if !ok || i.Named != i.Platform || i.OS != "linux" {
			t.Errorf("an image of %v, which the index says is of %v", i.Platform, i.Named)
			continue
		}
		name := "warren-" + version + "-linux-" + i.Architecture
		released := unpack(t, read(t, dir, name+".tar.gz"))
		for _, program := range append([]string{"warren"}, prefixed("cni/", cniPlugins)...) {
			if inside(t, i, "opt/warren/"+program) != released[name+"/"+program] {
				t.Errorf("%s in the image for %s is not that of the archive", program, i.Architecture)
			}
		}
		for _, program := range []string{"usr/sbin/nft", "usr/bin/wg"} {
			wantMachine(t, program, inside(t, i, program), machine)
		}
		bill(t, dir, "warren-"+version+"-image-linux-"+i.Architecture, "nftables", "wireguard-tools", "libc6",
			"k8s.io/client-go", "github.com/containernetworking/plugins")
	}
}

func prefixed(prefix string, names []string) (all []string) {
	for _, name := range names {
		all = append(all, prefix+name)
	}
	return all
}

func archive(t *testing.T, dir string) oci.Archive {
	t.Helper()
	a, err := oci.Read(filepath.Join(dir, "warren-"+version+"-image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func inside(t *testing.T, i oci.Image, name string) string {
	t.Helper()
	content, err := i.File(name)
	if err != nil {
		t.Fatalf("the image for %s: %v", i.Architecture, err)
	}
	return string(content)
}

// manifests wants those of warren and of its removal to name the image by the digest of its index, in each container.
func manifests(t *testing.T, dir string) {
	name := image + "@" + archive(t, dir).Digest
	for file, want := range map[string]int{"warren.yaml": 3, "warren-uninstall.yaml": 2} {
		content := read(t, dir, file)
		if n := strings.Count(content, "image: "+name+"\n"); n != want || strings.Count(content, "image:") != n {
			t.Errorf("%s names %s %d times, want %d, and others %d times", file, name, n, want,
				strings.Count(content, "image:")-n)
		}
	}
}

// chart wants the chart to have version and digest, no links, and to be the same in the layout for registries.
func chart(t *testing.T, dir string) {
	packed := read(t, dir, "warren-"+version[1:]+".tgz")
	found := unpack(t, packed)
	for file, lines := range map[string][]string{
		"values.yaml": {"repository: " + image, `digest: "` + archive(t, dir).Digest + `"`},
		"Chart.yaml":  {"appVersion: " + version, "version: " + version[1:]},
		// A link in it would lead nowhere.
		"files/policy-own-node.yaml": {"kind: ValidatingAdmissionPolicyBinding"},
	} {
		for _, want := range lines {
			if !strings.Contains(found["warren/"+file], want+"\n") {
				t.Errorf("%s of the chart lacks %q:\n%s", file, want, found["warren/"+file])
			}
		}
	}
	layout := untar(t, []byte(read(t, dir, "warren-"+version+"-chart.tar")))
	var index struct{ Manifests []struct{ Digest string } }
	var manifest struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal([]byte(layout["index.json"]), &index); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("index.json of the chart: %v\n%s", err, layout["index.json"])
	}
	blob := func(digest string) string { return layout["blobs/"+strings.ReplaceAll(digest, ":", "/")] }
	err := json.Unmarshal([]byte(blob(index.Manifests[0].Digest)), &manifest)
	if err != nil || len(manifest.Layers) != 1 {
		t.Fatalf("manifest of the chart: %v", err)
	}
	if blob(manifest.Layers[0].Digest) != packed {
		t.Error("the layout has another chart than the archive")
	}
}
