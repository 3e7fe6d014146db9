package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/chart/v2/util"
)

const source = "../../../manifests/chart"

var v1 = release{
	version: "v1.4.0-rc.1", image: "registry.example/warren", digest: "sha256:" + strings.Repeat("0123abcd", 8),
	made: time.Unix(1e9, 0),
}

// packed returns the files that are made of a chart.
func packed(t *testing.T, dir string) map[string]string {
	t.Helper()
	output, files := t.TempDir(), map[string]string{}
	if err := pack(dir, output, v1); err != nil {
		t.Fatal(err)
	}
	err := fs.WalkDir(os.DirFS(output), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			content, failed := os.ReadFile(filepath.Join(output, name))
			files[name], err = string(content), failed
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The chart of a release has the version and the image's digest. Otherwise it is the one in the tree.
func TestPack(t *testing.T) {
	files := packed(t, source)
	archive, ok := files["warren-1.4.0-rc.1.tgz"]
	if !ok || len(files) != 6 {
		t.Fatalf("made %v", slices.Sorted(maps.Keys(files)))
	}
	got, err := loader.LoadArchive(strings.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	want, err := loader.LoadDir(source)
	if err != nil {
		t.Fatal(err)
	}
	if m := got.Metadata; m.Version != "1.4.0-rc.1" || m.AppVersion != v1.version {
		t.Errorf("version %s, of %s", m.Version, m.AppVersion)
	}
	image, _ := want.Values["image"].(map[string]any)
	image["repository"], image["digest"] = v1.image, v1.digest
	if diff := cmp.Diff(want.Values, got.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sources(want), sources(got)); diff != "" {
		t.Errorf("templates and files (-want +got):\n%s", diff)
	}
}

func sources(c *chart.Chart) map[string]string {
	all := map[string]string{util.SchemafileName: string(c.Schema)}
	for _, file := range slices.Concat(c.Templates, c.Files) {
		all[file.Name] = string(file.Data)
	}
	return all
}

// The same chart makes the same bytes, whenever its files were checked out.
func TestPackIsReproducible(t *testing.T) {
	copied := t.TempDir()
	if err := os.CopyFS(copied, followed{os.DirFS(source)}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(packed(t, source), packed(t, copied)); diff != "" {
		t.Errorf("two charts differ:\n%s", diff)
	}
}

// followed is a file system whose links are what they lead to.
type followed struct{ fs.FS }

func (f followed) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	for i, e := range entries {
		info, failed := fs.Stat(f.FS, filepath.Join(name, e.Name()))
		if failed != nil {
			return nil, failed
		}
		entries[i] = fs.FileInfoToDirEntry(info)
	}
	return entries, err
}

// A chart whose values are written otherwise is refused: the digest would not get into it.
func TestPackRefuses(t *testing.T) {
	c := &chart.Chart{Metadata: &chart.Metadata{}, Raw: []*common.File{{
		Name: util.ValuesfileName, Data: []byte("image: {repository: warren.mesh/warren}\n"),
	}}}
	if err := v1.apply(c); err == nil || !strings.Contains(err.Error(), "does not have the line") {
		t.Errorf("other values: %v", err)
	}
	c.Raw = nil
	if err := v1.apply(c); err == nil || !strings.Contains(err.Error(), "no values.yaml") {
		t.Errorf("no values: %v", err)
	}
}
