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
	// beside is a package of the program's sources whose other files the Dockerfile copies, from the build context
	// "beside". Empty: there is none.
	beside string
}

// agnhost is the package of upstream's program for tests.
const agnhost = "k8s.io/kubernetes/test/images/agnhost"

// Support returns the images that a cluster and its tests need besides warren's, and builds those that are missing.
func (b Builder) Support(ctx context.Context) ([]Image, error) {
	flags := []string{"-trimpath", "-ldflags", "-s -w"}
	module := func(name string) string { return filepath.Join(b.Root, "test", name) }
	programs := []program{
		{image: PauseName, built: artifact.Artifact{Name: "pause", Module: module("pause"), Args: append(flags, "."),
			Cost: "a second"}},
		{image: DNSName, built: artifact.Artifact{Name: "coredns", Module: module("coredns"), Args: append(flags, "."),
			Cost: "about half a minute"}},
		{image: AgnhostName, aliases: []string{resolverName}, built: artifact.Artifact{
			Name: "agnhost", Module: module("agnhost"), Args: append(flags, agnhost), Cost: "about half a minute",
		}, beside: agnhost + "/porter"},
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
	r := recipe{
		name: p.image, file: filepath.Join(b.Root, "test", "cluster", "image", p.built.Name+".Dockerfile"),
		context: filepath.Dir(path), files: []string{p.built.Name},
	}
	if p.beside != "" {
		// The program's content stands for them: one version of its module has both.
		r.beside = func(ctx context.Context) (string, error) { return p.built.Source(ctx, p.beside) }
	}
	image, err := b.build(ctx, r)
	image.Aliases = p.aliases
	return image, err
}
