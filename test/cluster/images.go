package cluster

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab/artifact"
	"warren.mesh/test/lab/programs"
)

// builder returns a Builder of images.
func builder(ctx context.Context, progress func(string, ...any)) (image.Builder, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "warren.mesh").Output()
	if err != nil {
		return image.Builder{}, fmt.Errorf("find warren's module (run this in its work tree): %w", err)
	}
	dir, err := artifact.DefaultDir()
	if err != nil {
		return image.Builder{}, err
	}
	return image.NewBuilder(ctx, strings.TrimSpace(string(out)), artifact.Cache{Dir: dir, Progress: progress})
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

// ReleaseImage builds warren's image as that of a version, writes it to output and returns its digest: see
// image.Builder's Release.
func ReleaseImage(
	ctx context.Context, version, output string, progress func(string, ...any),
) (digest string, err error) {
	b, err := builder(ctx, progress)
	if err != nil {
		return "", err
	}
	return b.Release(ctx, version, output)
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
