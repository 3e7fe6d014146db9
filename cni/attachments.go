package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/types/create"

	"warren.mesh/cni/gate"
)

// Attachments returns the pods of warren's network that are attached on this node, sorted by container, whatever list
// attached them: what libcni keeps in CacheDir of each, without those whose end of the veth pair is gone. Files that
// cannot be read, or say too little, are left out and are problems, each with its path.
//
// libcni writes a file when all plugins have succeeded and deletes it when all have detached the pod, so it holds
// neither pods under way nor those that ended.
func (c Configuration) Attachments() (attachments []gate.Attachment, problems []error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, []error{fmt.Errorf("list the interfaces of the host: %w", err)}
	}
	for _, path := range c.results(&problems) {
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // detached meanwhile
		}
		var a gate.Attachment
		if err == nil {
			a, err = attached(content, c.Bridge)
		}
		switch {
		case errors.Is(err, errOther):
		case err != nil:
			problems = append(problems, fmt.Errorf("read how a pod was attached, %s: %w", path, err))
		case slices.ContainsFunc(links, func(l net.Interface) bool { return l.Name == a.Port }):
			attachments = append(attachments, a)
		}
	}
	return attachments, problems
}

// results returns the paths of libcni's files about warren's network, sorted.
func (c Configuration) results(problems *[]error) (paths []string) {
	dir := filepath.Join(c.CacheDir, "results")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		*problems = append(*problems, fmt.Errorf("read what is attached: %w", err))
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), Network+"-") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// errOther is for a file about a network that only begins like warren's.
var errOther = errors.New("it is about another network")

// attached reads one of libcni's files (libcni/api.go, cachedInfo).
func attached(content []byte, bridge string) (gate.Attachment, error) {
	var cached struct {
		ContainerID string          `json:"containerId"`
		IfName      string          `json:"ifName"`
		NetworkName string          `json:"networkName"`
		Args        [][2]string     `json:"cniArgs"`
		Result      json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(content, &cached); err != nil {
		return gate.Attachment{}, err
	}
	if cached.NetworkName != Network {
		return gate.Attachment{}, errOther
	}
	result, err := create.CreateFromBytes(cached.Result)
	if err != nil {
		return gate.Attachment{}, err
	}
	known, err := current.NewResultFromResult(result)
	if err != nil {
		return gate.Attachment{}, err
	}
	return gate.Attached{Key: gate.Key{Container: cached.ContainerID, Interface: cached.IfName}, Args: cached.Args,
		Result: known}.Attachment(bridge)
}
