// Package bundle owns the form of a bug report: files in a compressed archive that is not too large, with names and
// addresses mapped if somebody wants to show it to others. What is in the files is for others.
package bundle
