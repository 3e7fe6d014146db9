package tb

import (
	"fmt"
	"runtime"
)

// Record runs f as a test of its own and returns the messages that it failed with: for tests of what fails tests.
func Record(t TB, f func(TB)) []string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.errors
}

// recorder keeps what its test fails with.
type recorder struct {
	TB
	errors []string
}

func (r *recorder) Failed() bool { return len(r.errors) > 0 }

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
