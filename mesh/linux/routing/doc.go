// Package routing owns warren's routes and policy rules on a Linux host: the rules with mesh.Protocol, the routes with
// it in mesh.TableMain and mesh.TableEarlier, and all routes in mesh.TablePods and mesh.TableNodes. It observes, adds
// and removes them, keeps the rules before everybody else's, and never touches others. It does not own interfaces: it
// only looks up their indices.
package routing
