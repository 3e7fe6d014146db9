// Package graph draws a mesh: its nodes by zone, and of the links between them only those that are not well; of a large
// mesh a matrix of zones. It is pure: a report on a cluster goes in, DOT, Mermaid or SVG comes out.
package graph
