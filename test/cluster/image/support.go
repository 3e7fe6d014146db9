package image

import (
	"context"
	"path/filepath"

	"warren.mesh/test/lab/artifact"
)

// program is an image of one Go program.
type program struct {
	image   string
	aliases []string
	built   artifact.Artifact
}

// Support returns the images that a cluster and its tests need besides warren's, and builds those that are missing.
func (b Builder) Support(ctx context.Context) ([]Image, error) {
	flags := []string{"-trimpath", "-ldflags", "-s -w"}
	module := func(name string) string { return filepath.Join(b.Root, "test", name) }
	programs := []program{
		{PauseName, nil, artifact.Artifact{Name: "pause", Module: module("pause"), Args: append(flags, "."),
			Cost: "a second"}},
		{DNSName, nil, artifact.Artifact{Name: "coredns", Module: module("coredns"), Args: append(flags, "."),
			Cost: "about half a minute"}},
		{AgnhostName, []string{resolverName}, artifact.Artifact{
			Name: "agnhost", Module: module("agnhost"), Args: append(flags, "k8s.io/kubernetes/test/images/agnhost"),
			Cost: "about half a minute",
		}},
	}
	var images []Image
	for _, p := range programs {
		image, err := b.support(ctx, p)
		if err != nil {
			return nil, err
		}
		images = append(images, image)
	}
	return images, nil
}

func (b Builder) support(ctx context.Context, p program) (Image, error) {
	path, err := b.Cache.Get(ctx, p.built)
	if err != nil {
		return Image{}, err
	}
	image, err := b.build(ctx, recipe{
		name: p.image, file: filepath.Join(b.Root, "test", "cluster", "image", p.built.Name+".Dockerfile"),
		context: filepath.Dir(path), files: []string{p.built.Name},
	})
	image.Aliases = p.aliases
	return image, err
}
