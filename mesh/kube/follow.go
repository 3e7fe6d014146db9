package kube

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// retry is how a lost API server is asked again: after 0.8 to 1.6 seconds, in the end every 10 to 20. client-go goes up
// to 60, which a node that joins after an outage would wait for; at 10 the load on a server that comes back is what
// kubelets' leases cause anyway.
var retry = wait.Backoff{Duration: 800 * time.Millisecond, Cap: 10 * time.Second, Steps: 5, Factor: 2, Jitter: 1}

// source lists and watches one kind of object for a mirror.
type source struct {
	example runtime.Object
	lists   *cache.ListWatch
	mirror  target
}

// target is a mirror of any type.
type target interface {
	cache.TransformingStore
	report(trouble string)
}

// follow keeps the mirror up to date until ctx ends.
func (s source) follow(ctx context.Context) {
	reflector := cache.NewReflectorWithOptions(s.reporting(), s.example, s.mirror, cache.ReflectorOptions{
		Name:    "nodes",
		Clock:   endingClock{ctx: ctx},
		Backoff: &retry,
	})
	reflector.RunWithContext(ctx)
}

// reporting tells the mirror how each request went. The reflector's own error handler would not do: it is never called
// for the errors that the reflector retries by itself, a refused connection among them.
func (s source) reporting() *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := s.lists.ListWithContext(ctx, options)
			s.note(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			events, err := s.lists.WatchWithContext(ctx, options)
			if err == nil {
				s.mirror.report("")
			}
			s.note(ctx, err)
			return events, err
		},
	}
}

// note reports what err means, if anything. Only a watch clears it: a list may succeed where watching is forbidden.
func (s source) note(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	if trouble := explain(err); trouble != "" {
		s.mirror.report(trouble)
	}
}

// endingClock is the real one, except that After also fires when ctx ends: the reflector sleeps on it, up to its longest
// delay, without looking at its context, and a daemon told to stop must not wait for that.
type endingClock struct {
	clock.RealClock
	ctx context.Context
}

// After fires after d, or when the context ends.
func (c endingClock) After(d time.Duration) <-chan time.Time {
	fired := make(chan time.Time, 1)
	ctx, cancel := context.WithTimeout(c.ctx, d)
	context.AfterFunc(ctx, func() {
		cancel()
		fired <- time.Now()
	})
	return fired
}
