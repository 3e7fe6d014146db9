// Package explain says what one node does with a packet from one address to another, step by step, and at which step it
// would die; and what two nodes do with it, one after the other. It is pure: what the kernel and the daemon answered
// goes in, steps come out. Routes are the kernel's answers, and what policies decide is given: it looks up neither.
package explain
