package iface

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// holder describes the process that holds the TUN interface of this name in this network namespace, for error
// messages. proc is /proc, which does not show the processes of other PID namespaces.
func holder(proc fs.ReadLinkFS, name string) string {
	own, _ := proc.ReadLink("thread-self/ns/net")
	infos, _ := fs.Glob(proc, "[0-9]*/fdinfo/*")
	for _, info := range infos {
		text, err := fs.ReadFile(proc, info)
		if err != nil || !isTUN(string(text), name) {
			continue
		}
		process := path.Dir(path.Dir(info))
		if namespace, _ := proc.ReadLink(path.Join(process, "ns/net")); namespace != own {
			continue
		}
		command, _ := fs.ReadFile(proc, path.Join(process, "comm"))
		return fmt.Sprintf("PID %s, %s", process, strings.TrimSpace(string(command)))
	}
	return "PID not found"
}

// isTUN reports whether a file descriptor is the TUN interface of this name. fdinfo is the text of /proc/PID/fdinfo/FD,
// in which the tun driver writes a line with the interface's name.
func isTUN(fdinfo, name string) bool {
	for line := range strings.Lines(fdinfo) {
		if key, value, _ := strings.Cut(line, ":"); key == "iff" && strings.TrimSpace(value) == name {
			return true
		}
	}
	return false
}
