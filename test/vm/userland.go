package vm

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// commands are the host's programs that tests and warren execute. test/install has them installed.
var commands = []string{
	// What is tested, and what looks at it.
	"ip", "bridge", "nft", "wg", "conntrack", "ipvsadm", "tcpdump", "ping", "sysctl", "tc",
	"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore",
	"iptables-nft", "iptables-nft-save", "iptables-nft-restore",
	"ip6tables-nft", "ip6tables-nft-save", "ip6tables-nft-restore",
	"iptables-legacy", "iptables-legacy-save", "iptables-legacy-restore",
	"ip6tables-legacy", "ip6tables-legacy-save", "ip6tables-legacy-restore",
	"sh", "cat", "chrt", "cp", "hostname", "ls", "rm", "sleep", "stat", "true", "truncate",
}

// configurations are the host's files by which those programs turn numbers into names.
var configurations = []string{
	"/etc/iproute2/rt_dsfield", "/etc/iproute2/rt_protos", "/etc/iproute2/rt_realms",
	"/etc/iproute2/rt_scopes", "/etc/iproute2/rt_tables",
	"/etc/group", "/etc/nsswitch.conf", "/etc/passwd", "/etc/protocols", "/etc/services",
}

// extensions are the libraries that iptables loads by name when a rule asks for a match or a target.
const extensions = "/usr/lib/x86_64-linux-gnu/xtables/*.so"

// libraryDirs are where Debian's loader looks.
var libraryDirs = []string{"/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib", "/lib"}

// addUserland adds the commands to /usr/bin, with what they are linked with.
func (a *archive) addUserland() error {
	for _, name := range commands {
		path, err := exec.LookPath(name)
		if err != nil {
			return fmt.Errorf("find a command for the guest: %w", err)
		}
		if err := a.addProgram("/usr/bin/"+name, path); err != nil {
			return err
		}
	}
	libraries, err := filepath.Glob(extensions)
	if err != nil || len(libraries) == 0 {
		return fmt.Errorf("find iptables' extensions %s: %w", extensions, errors.Join(err, os.ErrNotExist))
	}
	for _, library := range libraries {
		if err := a.addProgram(library, library); err != nil {
			return err
		}
	}
	for _, file := range configurations {
		if _, err := os.Stat(file); err == nil {
			a.addFile(file, file)
		}
	}
	for _, link := range []string{"/bin", "/sbin", "/usr/sbin"} {
		a.link(link, "/usr/bin")
	}
	return nil
}

// addProgram adds a program or library and, where it is not there yet, each library that it needs.
func (a *archive) addProgram(name, from string) error {
	if a.files[name] {
		return nil
	}
	a.addFile(name, from)
	f, err := elf.Open(from)
	if err != nil {
		return fmt.Errorf("read %s: %w", from, err)
	}
	defer f.Close()
	if loader := interpreter(f); loader != "" {
		a.addFile(loader, loader)
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read what %s is linked with: %w", from, err)
	}
	for _, library := range libraries {
		path, err := findLibrary(library)
		if err == nil {
			err = a.addProgram("/usr/lib/"+library, path)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	return nil
}

// interpreter is the loader that a program names; libraries and static programs have none.
func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			text := make([]byte, p.Filesz)
			if _, err := p.ReadAt(text, 0); err == nil {
				return strings.TrimRight(string(text), "\x00")
			}
		}
	}
	return ""
}

func findLibrary(name string) (string, error) {
	for _, dir := range libraryDirs {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			return path, err
		}
	}
	return "", fmt.Errorf("library %s is in none of %v", name, libraryDirs)
}
