// Package release tests what `make release` makes: that it is whole, that it is what it says it is, and that the
// programs run on their architectures.
package release
