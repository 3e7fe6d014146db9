package main

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strings"

	"warren.mesh/test/oci"
)

// programs are those that the image has of warren's build, below opt/warren/.
var programs = []string{"warren", "cni/warren-cni", "cni/bridge", "cni/host-local", "cni/loopback", "cni/portmap"}

// image adds what an image of an archive has: the modules of warren's programs, and Debian's packages.
func (b *bill) image(archive, arch string) error {
	a, err := oci.Read(archive)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(a.Images, func(i oci.Image) bool { return i.Architecture == arch })
	if n < 0 {
		return fmt.Errorf("%s has no image for %q", archive, arch)
	}
	for _, program := range programs {
		content, err := a.Images[n].File("opt/warren/" + program)
		if err != nil {
			return err
		}
		if err := b.program(program, bytes.NewReader(content)); err != nil {
			return err
		}
	}
	status, err := a.Images[n].File("var/lib/dpkg/status")
	if err != nil {
		return err
	}
	b.packages(string(status))
	return nil
}

// packages adds the packages that dpkg's status file says are installed (deb-control(5), one paragraph each).
func (b *bill) packages(status string) {
	for paragraph := range strings.SplitSeq(status, "\n\n") {
		fields := map[string]string{}
		for lines := bufio.NewScanner(strings.NewReader(paragraph)); lines.Scan(); {
			if key, value, ok := strings.Cut(lines.Text(), ": "); ok && !strings.HasPrefix(key, " ") {
				fields[key] = value
			}
		}
		if fields["Status"] != "install ok installed" {
			continue
		}
		name, version := fields["Package"], fields["Version"]
		b.add(component{Name: name, Version: version, PURL: fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s", name,
			strings.NewReplacer("+", "%2B", ":", "%3A").Replace(version), fields["Architecture"])})
	}
}
