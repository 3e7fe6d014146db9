// Command pack makes the chart of a release from manifests/chart: a .tgz for `helm install`, and in the directory oci
// beside it the same as an OCI layout for registries. Its image is that of the release, by digest.
//
//	pack -chart=manifests/chart -version=v1.4.0 -image=REPOSITORY -digest=sha256:… -time=SECONDS -output=DIRECTORY
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/chart/v2/util"
)

// release is what a chart gets that manifests/chart does not have.
type release struct {
	// version has a v. image is the repository, and digest is sha256:….
	version, image, digest string
	// made is the time of all files.
	made time.Time
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("pack: ")
	var r release
	dir := flag.String("chart", "manifests/chart", "the chart's directory")
	flag.StringVar(&r.version, "version", "", "the release, as v1.4.0")
	flag.StringVar(&r.image, "image", "", "the image's repository")
	flag.StringVar(&r.digest, "digest", "", "the image's digest, sha256:…")
	seconds := flag.Int64("time", 0, "when the files were made, in seconds since 1970")
	output := flag.String("output", ".", "where to write the files")
	flag.Parse()
	r.made = time.Unix(*seconds, 0)
	if err := pack(*dir, *output, r); err != nil {
		log.Fatal(err)
	}
}

// pack writes the chart in dir as an archive, and beside it as an OCI layout.
func pack(dir, output string, r release) error {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return err
	}
	if err := r.apply(c); err != nil {
		return err
	}
	archive, err := util.Save(c, output)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	config, err := json.Marshal(c.Metadata)
	if err != nil {
		return err
	}
	l := layout{dir: filepath.Join(output, "oci")}
	if err := l.write(c.Metadata, config, content); err != nil {
		return fmt.Errorf("write %s: %w", l.dir, err)
	}
	return nil
}

// apply gives the chart its version, its image and the time of its files.
func (r release) apply(c *chart.Chart) error {
	c.Metadata.Version, c.Metadata.AppVersion = strings.TrimPrefix(r.version, "v"), r.version
	c.ModTime, c.SchemaModTime = r.made, r.made
	var values *common.File
	for _, files := range [][]*common.File{c.Raw, c.Templates, c.Files} {
		for _, file := range files {
			file.ModTime = r.made
			if file.Name == util.ValuesfileName {
				values = file
			}
		}
	}
	if values == nil {
		return errors.New("the chart has no values.yaml")
	}
	for was, now := range map[string]string{
		"  repository: warren.mesh/warren\n": "  repository: " + r.image + "\n",
		"  digest: \"\"\n":                   "  digest: \"" + r.digest + "\"\n",
	} {
		if bytes.Count(values.Data, []byte(was)) != 1 {
			return fmt.Errorf("values.yaml does not have the line %q once", was)
		}
		values.Data = bytes.Replace(values.Data, []byte(was), []byte(now), 1)
	}
	return nil
}
