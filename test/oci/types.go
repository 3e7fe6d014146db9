package oci

// Platform says which machines an image is for.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	// Variant is the architecture's: v8 for arm64, empty for amd64.
	Variant string `json:"variant,omitempty"`
}

// descriptor refers to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *Platform         `json:"platform,omitempty"`
}

// index lists images. An archive has one as its index.json, and the index of the platforms is a blob.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

// manifest says what one platform's image consists of.
type manifest struct {
	Config descriptor   `json:"config"`
	Layers []descriptor `json:"layers"`
}

const (
	indexType = "application/vnd.oci.image.index.v1+json"
	version   = `{"imageLayoutVersion":"1.0.0"}`
	// refName is the annotation by which tools find an image in a layout.
	refName = "org.opencontainers.image.ref.name"
)
