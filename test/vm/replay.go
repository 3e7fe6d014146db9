package vm

import (
	"strings"
	"testing"
)

// result is what became of a guest's test, and of its subtests.
type result struct {
	name string
	// action is pass, fail, skip, or empty where the test did not come to its end.
	action  string
	seconds float64
	output  []string
	subs    []*result
}

// results makes a tree of events; its root is the package.
func results(events []event) *result {
	root := &result{}
	for _, e := range events {
		r := root.find(e.Test)
		switch e.Action {
		case "pass", "fail", "skip":
			r.action, r.seconds = e.Action, e.Elapsed
		case "output":
			r.output = append(r.output, e.Output)
		}
	}
	return root
}

// find is the test of that name, which it makes where there is none.
func (r *result) find(name string) *result {
	if name == "" {
		return r
	}
	first, rest, _ := strings.Cut(name, "/")
	for _, sub := range r.subs {
		if sub.name == first {
			return sub.find(rest)
		}
	}
	sub := &result{name: first}
	r.subs = append(r.subs, sub)
	return sub.find(rest)
}

// replay makes each of the guest's tests a subtest of t, with its output and its end.
func (r *result) replay(t *testing.T) {
	t.Helper()
	for _, sub := range r.subs {
		t.Run(sub.name, func(t *testing.T) {
			sub.replay(t)
			t.Logf("%s after %.2f s\n%s", sub.action, sub.seconds, strings.Join(sub.output, ""))
			sub.end(t)
		})
	}
}

func (r *result) end(t *testing.T) {
	t.Helper()
	switch r.action {
	case "pass":
	case "fail":
		t.Error("failed in the guest")
	case "skip":
		t.Skip("skipped in the guest")
	default:
		t.Error("it has no verdict: the guest did not come to its end")
	}
}
