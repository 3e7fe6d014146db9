package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// product is the module whose version is that of the release.
const product = "warren.mesh"

// component is one of CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json/).
type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// bill collects components, each of which it has once.
type bill struct {
	name, version string
	made          time.Time
	components    map[string]component
}

func newBill(name, version string, made time.Time) *bill {
	return &bill{name: name, version: version, made: made, components: map[string]component{}}
}

func (b *bill) add(c component) {
	c.Type, c.Ref = "library", c.PURL
	b.components[c.PURL] = c
}

// document returns the bill as CycloneDX's JSON has it, sorted, without a serial number: the same components make the
// same text.
func (b *bill) document() map[string]any {
	components := slices.SortedFunc(maps.Values(b.components), func(a, b component) int {
		return cmp.Compare(a.PURL, b.PURL)
	})
	return map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata": map[string]any{
			"timestamp": b.made.UTC().Format(time.RFC3339),
			"component": component{Type: "application", Ref: b.name, Name: b.name, Version: b.version},
		},
		"components": components,
	}
}

// program adds the modules of a program that the Go compiler made.
func (b *bill) program(name string, content io.ReaderAt) error {
	info, err := buildinfo.Read(content)
	if err != nil {
		return fmt.Errorf("read the modules of %s: %w", name, err)
	}
	b.modules(info)
	return nil
}

// modules adds modules, and the standard library.
func (b *bill) modules(info *debug.BuildInfo) {
	b.add(module("std", strings.TrimPrefix(info.GoVersion, "go"), ""))
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Replace != nil {
			m = m.Replace
		}
		version := m.Version
		if m.Path == product || strings.HasPrefix(m.Path, product+"/") {
			version = b.version
		}
		b.add(module(m.Path, version, m.Sum))
	}
}

// module returns the component of a Go module. The sum is that of go.sum, h1:….
func module(path, version, sum string) component {
	c := component{Name: path, Version: version}
	c.PURL = "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:")); err == nil && len(raw) > 0 {
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
	}
	return c
}
