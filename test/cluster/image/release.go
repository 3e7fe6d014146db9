package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Release builds warren's image as that of a version, from the work tree, and writes it to output: an OCI archive of an
// index, which registries take as it is. It returns the index's digest, sha256:…. The index has this machine's
// architecture.
func (b Builder) Release(ctx context.Context, version, output string) (digest string, err error) {
	unlock, err := b.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	name := strings.TrimSuffix(WarrenName, "dev") + version
	err = b.buildLocked(ctx, recipe{name: name, file: filepath.Join(b.Root, "Dockerfile"), context: b.Root,
		version: version})
	if err != nil {
		return "", fmt.Errorf("build image %s: %w", name, err)
	}
	index, file := name+"-index", output+".digest"
	defer func() {
		_, _ = b.buildah.run(context.WithoutCancel(ctx), "manifest", "rm", index)
		_, _ = b.buildah.run(context.WithoutCancel(ctx), "rmi", name)
		_ = b.prune(context.WithoutCancel(ctx))
		_ = os.Remove(file)
	}()
	for _, command := range [][]string{
		{"manifest", "create", index}, {"manifest", "add", index, "containers-storage:" + name},
		{
			"manifest", "push", "--all", "--format=oci", "--digestfile=" + file, index,
			"oci-archive:" + output + ":" + name,
		},
	} {
		if _, err := b.buildah.run(ctx, command...); err != nil {
			return "", err
		}
	}
	content, err := os.ReadFile(file)
	return strings.TrimSpace(string(content)), err
}
