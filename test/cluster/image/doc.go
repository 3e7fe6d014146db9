// Package image builds the container images of a test cluster with buildah: warren's own from its Dockerfile, and the few that the
// cluster needs besides. There is no registry: base images are made by debootstrap and imported under the names that the
// Dockerfile uses. Images are kept in the cache of artifacts as archives, by the content of what they were built from.
package image
