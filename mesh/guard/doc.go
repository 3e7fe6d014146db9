// Package guard writes the rules that keep the mesh closed: it turns a mesh.Firewall into the layout of the nftables
// table "inet warren", and what is listed of that table back into a mesh.Firewall. Its chains drop what would carry a
// pod's packet past the mesh or comes in past it, send answers back the way their requests came, and translate the
// addresses of what leaves the mesh. Values in, values out: mesh/nft talks to the kernel. Which chain drops what, and
// why, is a table in mesh/README.md.
package guard
