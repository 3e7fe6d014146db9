package policies

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
)

// Store mirrors one kind of object as a reflector lists and watches it. It tells the sink what differs.
type Store interface {
	cache.TransformingStore
	// Report records why the API server cannot be watched. Empty means that it can.
	Report(trouble string)
	// Begin has the store ask accept of each list from now on. A list that is not accepted changes nothing, nor does
	// what is watched after it; refused is called, and whoever follows lists again.
	Begin(accept func() error, refused func())
}

// kind is what a store needs to know of the objects that it mirrors.
type kind[T any] struct {
	what string
	// read translates an object, or returns what read has returned before. Of what is absent nothing is mirrored.
	read func(object any) (key string, value T, absent bool, err error)
	same func(a, b T) bool
	// set and drop tell the sink. They are called by one at a time.
	set  func(key string, value T)
	drop func(key string, value T)
}

// store is a Store of one kind. It parses nothing twice, and keeps no more than the values that it gave to the sink.
type store[T any] struct {
	kind[T]
	*shared
	brake brake

	// What follows is guarded by shared.mu.
	held   map[string]T
	listed bool
	// trouble is why the API server cannot be watched, and doubt why its list is not taken.
	trouble, doubt string
	// known is how many were held when a list lacked what the brake holds.
	known   int
	accept  func() error
	refused func()
	// deaf says that the last list was refused, and unread that none has been taken since one was.
	deaf, unread bool
	// again has the list read again when the brake lets go; nil if it holds nothing.
	again *time.Timer
}

// shared is what the stores of a Mirror have in common.
type shared struct {
	// mu is held while the sink is told.
	mu      sync.Mutex
	changed func()
}

func newStore[T any](s *shared, k kind[T]) *store[T] {
	return &store[T]{
		kind: k, shared: s, held: map[string]T{},
		accept: func() error { return nil }, refused: func() {},
	}
}

// item is what is left of an object during the first list.
type item[T any] struct {
	key    string
	value  T
	absent bool
}

// Transformer returns a function that keeps no more of an object than is mirrored.
func (s *store[T]) Transformer() cache.TransformFunc {
	return func(object any) (any, error) {
		i, err := s.item(object)
		return i, err
	}
}

func (s *store[T]) item(object any) (item[T], error) {
	if i, ok := object.(item[T]); ok {
		return i, nil
	}
	key, value, absent, err := s.read(object)
	return item[T]{key, value, absent}, err
}

// Begin has the store ask accept of each list.
func (s *store[T]) Begin(accept func() error, refused func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.again != nil {
		s.again.Stop()
	}
	s.accept, s.refused, s.deaf = accept, refused, false
}

// Add does what Update does: after a watch resumes, an addition may arrive as an update and the reverse.
func (s *store[T]) Add(object any) error { return s.Update(object) }

// Update mirrors the object and pokes if that makes a difference.
func (s *store[T]) Update(object any) error {
	i, err := s.item(object)
	if err != nil {
		return err
	}
	s.change(func() bool { changed := s.put(i); return s.recount() || changed })
	return nil
}

// Delete removes the object and pokes if it was there.
func (s *store[T]) Delete(object any) error {
	i, err := s.item(object)
	if err != nil {
		return err
	}
	s.change(func() bool { changed := s.remove(i.key); return s.recount() || changed })
	return nil
}

func (s *store[T]) put(i item[T]) (changed bool) {
	if i.absent {
		return s.remove(i.key)
	}
	s.brake.forget(i.key)
	if old, ok := s.held[i.key]; ok && s.same(old, i.value) {
		return false
	}
	s.held[i.key] = i.value
	s.set(i.key, i.value)
	return true
}

func (s *store[T]) remove(key string) (changed bool) {
	s.brake.forget(key)
	old, ok := s.held[key]
	if ok {
		delete(s.held, key)
		s.drop(key, old)
	}
	return ok
}

// Replace takes a full list: the first one, or one after the watch was lost. What the list lacks is removed, after all
// of the rest was set, so that nothing is let through in between that neither list lets through.
func (s *store[T]) Replace(objects []any, _ string) error {
	items := make([]item[T], 0, len(objects))
	for _, object := range objects {
		i, err := s.item(object)
		if err != nil {
			return err
		}
		items = append(items, i)
	}
	s.mu.Lock()
	accept, refused := s.accept, s.refused
	s.mu.Unlock()
	if err := accept(); err != nil {
		s.change(func() bool { return s.refuse(err) })
		refused()
		return nil //nolint:nilerr // an error would have the reflector list again at once, and leave its watch open
	}
	s.change(func() bool { return s.replace(items) })
	return nil
}

// refuse takes why a list is not to be believed.
func (s *store[T]) refuse(err error) (changed bool) {
	s.deaf, s.unread = true, true
	s.brake.step(time.Now(), true)
	return s.doubts(err.Error())
}

func (s *store[T]) replace(items []item[T]) (changed bool) {
	changed = !s.listed
	s.listed, s.unread = true, false
	s.known = len(s.held)
	listed := make(map[string]struct{}, len(items))
	for _, i := range items {
		if !i.absent {
			listed[i.key] = struct{}{}
		}
		changed = s.put(i) || changed
	}
	var missing []string
	for key := range s.held {
		if _, ok := listed[key]; !ok {
			missing = append(missing, key)
		}
	}
	s.brake.step(time.Now(), s.trouble != "")
	giveUp, wait := s.brake.holds(s.known, missing)
	for _, key := range giveUp {
		s.remove(key)
	}
	if s.again != nil {
		s.again.Stop()
	}
	if wait > 0 {
		s.again = time.AfterFunc(wait, s.refused)
	}
	return s.doubts(s.loss()) || len(giveUp) > 0 || changed
}

// recount takes what a watch has brought back or taken away out of the doubt. What a list was refused for stays.
func (s *store[T]) recount() (changed bool) {
	if s.unread {
		return false
	}
	loss := s.loss()
	if loss == "" && s.again != nil {
		s.again.Stop()
	}
	return s.doubts(loss)
}

// loss says what the brake holds; empty for nothing.
func (s *store[T]) loss() string {
	if len(s.brake.lost) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d %s are gone at once, and are kept for %v, in case the store was lost",
		len(s.brake.lost), s.known, s.what, brakeDelay)
}

func (s *store[T]) doubts(text string) (changed bool) {
	changed = s.doubt != text
	s.doubt = text
	return changed
}

// Resync does nothing: there is no queue to fill again.
func (s *store[T]) Resync() error { return nil }

// Report records why the API server cannot be watched.
func (s *store[T]) Report(trouble string) {
	s.mu.Lock()
	changed := s.trouble != trouble
	s.trouble = trouble
	s.brake.step(time.Now(), trouble != "" || s.unread)
	s.mu.Unlock()
	if changed {
		s.changed()
	}
}

// change pokes, without the lock, if f says that it changed something. After a list was refused nothing is changed.
func (s *store[T]) change(f func() bool) {
	s.mu.Lock()
	changed := !s.deaf && f()
	s.mu.Unlock()
	if changed {
		s.changed()
	}
}

func (s *store[T]) synced() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listed
}

// obstacle says what is in the way of the current state; empty if nothing is.
func (s *store[T]) obstacle() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != "" {
		return s.trouble
	}
	return s.doubt
}
