package probe

// search looks for the largest size that passes, in bytes: one of size passes has, and one of size fails has not. As
// long as every smaller size passes too, it ends after the logarithm of their difference.
type search struct{ passes, fails int }

// next returns the size to try; done says that passes is the largest.
func (s search) next() (size int, done bool) {
	return s.passes + (s.fails-s.passes)/2, s.done()
}

// first returns the size to try first: the largest, which most paths carry.
func (s search) first() (size int, done bool) { return s.fails - 1, s.done() }

func (s search) done() bool { return s.fails-s.passes <= 1 }

// after returns the search after a trial.
func (s search) after(size int, passed bool) search {
	if passed {
		s.passes = size
	} else {
		s.fails = size
	}
	return s
}
