package image

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"warren.mesh/test/emulation"
)

// buildah runs the buildah command with a storage of its own.
type buildah struct {
	// dir holds the storage.
	dir string
	// temporary also holds the caches of RUN --mount=type=cache, which serve all base images.
	temporary string
	// emulated is the architecture whose programs run by emulation; "": none. Then overlayfs is mounted in a user
	// namespace, and notes what it deletes in the way of such: all commands on the storage have to run there.
	emulated string
}

// run runs one buildah command and returns its standard output.
func (b buildah) run(ctx context.Context, args ...string) (string, error) {
	if err := os.MkdirAll(b.temporary, 0o755); err != nil {
		return "", err
	}
	storage := []string{"--root=" + filepath.Join(b.dir, "root"), "--runroot=" + filepath.Join(b.dir, "run"),
		"--storage-driver=overlay"}
	c := exec.CommandContext(ctx, "buildah", append(storage, args...)...)
	var namespace string
	if b.emulated != "" {
		var err error
		if c, err = emulation.Command(ctx, b.emulated, "buildah", append(storage, args...)...); err != nil {
			return "", err
		}
		namespace = "_CONTAINERS_USERNS_CONFIGURED=1"
	}
	// chroot needs no cgroups and no network namespace.
	c.Env = append(os.Environ(), "TMPDIR="+b.temporary, "BUILDAH_ISOLATION=chroot", namespace)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("buildah %s: %w\n%s%s", strings.Join(args, " "), err, tail(stdout.Bytes()),
			tail(stderr.Bytes()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// has reports whether the storage holds an image of this name.
func (b buildah) has(ctx context.Context, name string) bool {
	_, err := b.run(ctx, "inspect", "--type=image", name)
	return err == nil
}

// commit makes the image name from another one ("scratch" for none) by buildah commands, whose argument CONTAINER it
// replaces.
func (b buildah) commit(ctx context.Context, from, name string, commands ...[]string) error {
	container, err := b.run(ctx, "from", "--pull-never", from)
	if err != nil {
		return err
	}
	defer func() { _, _ = b.run(context.WithoutCancel(ctx), "rm", container) }()
	for _, command := range append(commands, []string{"commit", "--quiet", "CONTAINER", name}) {
		for i := range command {
			if command[i] == "CONTAINER" {
				command[i] = container
			}
		}
		if _, err := b.run(ctx, command...); err != nil {
			return err
		}
	}
	return nil
}

// tail returns the end of a command's output, because builds print much before they print what is wrong.
func tail(output []byte) []byte {
	const enough = 4000
	return output[max(0, len(output)-enough):]
}
