package cluster

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab/artifact"
	"warren.mesh/test/lab/programs"
)

// builder returns a Builder of images.
func builder(ctx context.Context, progress func(string, ...any)) (image.Builder, error) {
	root, cache, err := places(ctx, progress)
	if err != nil {
		return image.Builder{}, err
	}
	return image.NewBuilder(ctx, root, cache)
}

// places returns the directory of warren's module and the cache.
func places(ctx context.Context, progress func(string, ...any)) (root string, cache artifact.Cache, err error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "warren.mesh").Output()
	if err != nil {
		return "", artifact.Cache{}, fmt.Errorf("find warren's module (run this in its work tree): %w", err)
	}
	dir, err := artifact.DefaultDir()
	return strings.TrimSpace(string(out)), artifact.Cache{Dir: dir, Progress: progress}, err
}

// DescribeImage builds warren's image and writes its size and what it holds beyond its base.
func DescribeImage(ctx context.Context, out io.Writer, progress func(format string, args ...any)) error {
	b, err := builder(ctx, progress)
	if err != nil {
		return err
	}
	warren, err := b.Warren(ctx)
	if err != nil {
		return err
	}
	return warren.Describe(out)
}

// ReleaseImage builds warren's image as that of a version, for each architecture, writes it to output and returns its
// digest. The files of that archive are of the time modified.
func ReleaseImage(
	ctx context.Context, version, output string, modified time.Time, progress func(string, ...any),
) (digest string, err error) {
	root, cache, err := places(ctx, progress)
	if err != nil {
		return "", err
	}
	return image.Release{Root: root, Cache: cache, Version: version, Modified: modified, Output: output}.Make(ctx)
}

// Build builds what clusters and upstream's tests need and the cache does not have.
func Build(ctx context.Context, progress func(format string, args ...any)) error {
	c := &Cluster{options: Options{}.complete()}
	if err := c.build(ctx, progress); err != nil {
		return err
	}
	if err := programs.Build(ctx, programs.Request{Kubelets: true, Progress: progress}, ""); err != nil {
		return err
	}
	b, err := builder(ctx, progress)
	if err != nil {
		return err
	}
	_, _, err = conformancePrograms(ctx, b.Root, b.Cache)
	return err
}
