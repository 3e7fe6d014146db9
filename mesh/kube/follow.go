package kube

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// retry is the reflector's backoff while the API server is lost: first 0.8 to 1.6 seconds, at last 10 to 20.
// client-go's own goes up to 60, which a node that joins after an outage would wait for. At 10, the load on a server
// that comes back equals that of the kubelets' leases.
var retry = wait.Backoff{Duration: 800 * time.Millisecond, Cap: 10 * time.Second, Steps: 5, Factor: 2, Jitter: 1}

// pageSize is how many objects an API server that cannot stream a list sends at once.
const pageSize = 500

// source feeds a mirror with the objects that it lists and watches.
type source struct {
	// name tells the source from others in client-go's log.
	name    string
	example runtime.Object
	lists   *cache.ListWatch
	mirror  target
	// afresh has it list again whenever a watch has ended, where others resume. That costs as much as the list.
	afresh bool
}

// target is a mirror, whatever its types.
type target interface {
	cache.TransformingStore
	// Report records why the API server cannot be watched; empty means that it can.
	Report(trouble string)
}

// follow keeps the mirror current until ctx ends.
func (s source) follow(ctx context.Context) {
	reflector := cache.NewReflectorWithOptions(s.reporting(), s.example, s.mirror, cache.ReflectorOptions{
		Name:    s.name,
		Clock:   endingClock{ctx: ctx},
		Backoff: &retry,
	})
	reflector.WatchListPageSize = pageSize
	reflector.RunWithContext(ctx)
}

// reporting returns a ListWatch that tells the mirror how each request went. The reflector's error handler would not
// do: the reflector does not call it for the errors that it retries by itself, a refused connection among them.
func (s source) reporting() *cache.ListWatch {
	listed := false // and not watched since; the reflector makes one request at a time
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := s.lists.ListWithContext(ctx, options)
			s.note(ctx, err)
			listed = err == nil
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			if s.afresh && options.SendInitialEvents == nil && !listed {
				return nil, apierrors.NewResourceExpired("the watch has ended: the store may be another one")
			}
			listed = false
			events, err := s.lists.WatchWithContext(ctx, options)
			if err == nil {
				s.mirror.Report("")
			}
			s.note(ctx, err)
			return events, err
		},
	}
}

// note reports what err means to an operator, if anything. Only a watch clears it, because a list may succeed where
// watching is forbidden.
func (s source) note(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	if trouble := explain(err); trouble != "" {
		s.mirror.Report(trouble)
	}
}

// endingClock is the real clock, except that After also fires when ctx ends. The reflector sleeps on After without
// looking at its context, up to its longest delay, and a daemon that is told to stop must not wait for that.
type endingClock struct {
	clock.RealClock
	ctx context.Context
}

// After returns a channel that fires after d, or when the context ends.
func (c endingClock) After(d time.Duration) <-chan time.Time {
	fired := make(chan time.Time, 1)
	ctx, cancel := context.WithTimeout(c.ctx, d)
	context.AfterFunc(ctx, func() {
		cancel()
		fired <- time.Now()
	})
	return fired
}
