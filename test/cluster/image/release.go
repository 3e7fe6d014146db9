package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"warren.mesh/test/lab/artifact"
	"warren.mesh/test/oci"
)

// Release says what image of a release to make, and where.
type Release struct {
	// Root is the directory of warren's module, Cache where base images are.
	Root  string
	Cache artifact.Cache
	// Version is the release's, with a v. Modified is the time of the files in the archive, not of those in the image,
	// which are all from 1970.
	Version  string
	Modified time.Time
	// Output is the file to write: an OCI archive of an index, which registries take as it is.
	Output string
}

// architectures are those that releases are for.
var architectures = []string{"amd64", "arm64"}

// Make builds warren's image for each architecture from the work tree, and returns the digest of their index,
// sha256:….
func (r Release) Make(ctx context.Context) (digest string, err error) {
	work, err := os.MkdirTemp(r.Cache.Dir, "release-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	name := strings.TrimSuffix(WarrenName, "dev") + r.Version
	var layouts []string
	for _, arch := range architectures {
		b, err := newBuilder(ctx, r.Root, r.Cache, arch)
		if err != nil {
			return "", err
		}
		layout := filepath.Join(work, arch)
		r.Cache.Progress("building %s for %s", name, arch)
		if err := b.release(ctx, layout, r); err != nil {
			return "", fmt.Errorf("build image %s for %s: %w", name, arch, err)
		}
		layouts = append(layouts, layout)
	}
	return oci.Join(r.Output, name, layouts, r.Modified)
}

// releaseName is the image's in the storage, whatever the version: the next one uses its layers.
const releaseName = "localhost/release"

// release builds the image for the builder's architecture into a directory of the OCI layout.
func (b Builder) release(ctx context.Context, layout string, r Release) error {
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	err = b.buildLocked(ctx, recipe{
		name: releaseName, file: filepath.Join(b.Root, "Dockerfile"), context: b.Root,
		arguments: []string{
			"--platform=linux/" + b.arch, "--build-arg=VERSION=" + r.Version,
			// buildah takes layers from its cache whatever their time. One time for all releases makes the same
			// layers of the same files, and registries keep them once.
			"--timestamp=0",
		},
	})
	if err != nil {
		return err
	}
	if _, err := b.buildah.run(ctx, "push", "--quiet", "--format=oci", releaseName, "oci:"+layout); err != nil {
		return err
	}
	return b.prune(ctx)
}
