// Package routing owns warren's routes and policy rules on a Linux host: those with mesh.Protocol, the routes in the
// tables mesh.TableMain and mesh.TableMesh. It observes, adds and removes them, and never touches others. It does not
// own interfaces: it only looks up their indices.
package routing
