package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// The media types by which registries and Helm know a chart (https://helm.sh/docs/topics/registries).
const (
	configType   = "application/vnd.cncf.helm.config.v1+json"
	contentType  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
)

// layout is a directory of the OCI image layout.
type layout struct{ dir string }

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func (l layout) write(m *chart.Metadata, config, content []byte) error {
	if err := os.MkdirAll(filepath.Join(l.dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	configBlob, err := l.blob(configType, config)
	if err != nil {
		return err
	}
	contentBlob, err := l.blob(contentType, content)
	if err != nil {
		return err
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "config": configBlob, "layers": []descriptor{contentBlob},
		"annotations": map[string]string{
			"org.opencontainers.image.title": m.Name, "org.opencontainers.image.version": m.Version,
		},
	})
	if err != nil {
		return err
	}
	manifestBlob, err := l.blob(manifestType, manifest)
	if err != nil {
		return err
	}
	manifestBlob.Annotations = map[string]string{"org.opencontainers.image.ref.name": m.Version}
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": indexType, "manifests": []descriptor{manifestBlob},
	})
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(l.dir, "index.json"), index, 0o644),
		os.WriteFile(filepath.Join(l.dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
}

// blob writes content by its digest, and returns what refers to it.
func (l layout) blob(mediaType string, content []byte) (descriptor, error) {
	sum := sha256.Sum256(content)
	name := hex.EncodeToString(sum[:])
	err := os.WriteFile(filepath.Join(l.dir, "blobs", "sha256", name), content, 0o644)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + name, Size: len(content)}, err
}
