package vm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tree is an unpacked kernel package.
type tree struct{ root, release string }

// extract writes the modules of these names, with all that they depend on, to dir/modules, and the order to load them
// in.
func (t tree) extract(ctx context.Context, names []string, dir string) error {
	if _, err := output(ctx, t.root, "depmod", "-b", t.root, t.release); err != nil {
		return err
	}
	shown, err := output(ctx, t.root, "modprobe",
		append([]string{"-d", t.root, "-S", t.release, "--show-depends", "--all"}, names...)...)
	if err != nil {
		return err
	}
	var order []string
	for _, file := range insmods(string(shown)) {
		content, err := t.read(ctx, file)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".xz")
		if err := os.WriteFile(filepath.Join(dir, moduleDir, name), unsigned(content), 0o644); err != nil {
			return err
		}
		order = append(order, name)
	}
	return os.WriteFile(filepath.Join(dir, orderFile), []byte(strings.Join(order, "\n")), 0o644)
}

// insmods are the files that modprobe --show-depends would load, in order, each once. What is built in it names by
// "builtin".
func insmods(shown string) []string {
	var files []string
	for line := range strings.Lines(shown) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "insmod" && !slices.Contains(files, fields[1]) {
			files = append(files, fields[1])
		}
	}
	return files
}

// read is the module as it is loaded. Debian compresses those of newer kernels.
func (t tree) read(ctx context.Context, file string) ([]byte, error) {
	switch filepath.Ext(file) {
	case ".ko":
		return os.ReadFile(file)
	case ".xz":
		return output(ctx, t.root, "xz", "-dc", file)
	}
	return nil, fmt.Errorf("module %s is compressed in an unknown way", file)
}

// signatureMagic ends a signed module (include/linux/module_signature.h), behind a struct module_signature.
const (
	signatureMagic = "~Module signature appended~\n"
	signatureSize  = 12
)

// unsigned cuts off the signature, whose verification is most of the time that loading takes under emulation. Debian's
// kernels ask for none unless they are locked down.
func unsigned(module []byte) []byte {
	content, signed := bytes.CutSuffix(module, []byte(signatureMagic))
	if !signed || len(content) < signatureSize {
		return module
	}
	content, trailer := content[:len(content)-signatureSize], content[len(content)-signatureSize:]
	// Its last field is the length of the signature proper, big-endian.
	length := int(binary.BigEndian.Uint32(trailer[signatureSize-4:]))
	if length > len(content) {
		return module
	}
	return content[:len(content)-length]
}
