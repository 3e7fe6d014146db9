// Package image builds the container images of a test cluster with buildah: warren's own from its Dockerfile, and the
// few others that the cluster needs. It asks no registry: debootstrap makes the base images, which are imported under
// the names that the Dockerfile uses. Images are archives in the cache of artifacts, by the content of their sources.
package image
