// Package oci reads and writes archives of the OCI image layout
// (https://github.com/opencontainers/image-spec/blob/main/image-layout.md): one index of an image for each platform.
package oci
