// Package helm holds the chart in manifests/chart to the kustomization in manifests/: it renders the same objects, and
// the commands that remove warren leave nothing of a release. It is a module of its own, because the product does not
// depend on Helm, whose command the long lane of clusters runs from it.
package helm
