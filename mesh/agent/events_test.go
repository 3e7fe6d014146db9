package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/events"
	"warren.mesh/mesh/meshtest"
)

// teller is an API server that takes Events, or fails or hangs.
type teller struct {
	mu       sync.Mutex
	err      error
	hangs    bool
	told     []string
	requests int
}

func (r *teller) Tell(ctx context.Context, uid string, e events.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	if r.hangs {
		r.mu.Unlock()
		<-ctx.Done()
		r.mu.Lock()
		return ctx.Err()
	}
	if uid == "" {
		return errors.New("no UID")
	}
	if r.err == nil {
		r.told = append(r.told, string(e.Reason))
	}
	return r.err
}

func (r *teller) set(hangs bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hangs, r.err = hangs, err
}

// read returns what was told since the last read, and how many requests that took.
func (r *teller) read() (told []string, requests int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	told, requests = r.told, r.requests
	r.told, r.requests = nil, 0
	return told, requests
}

// wantTold wants these Events to have been told since the last time, with no request for another.
func wantTold(t *testing.T, r *teller, want ...string) {
	t.Helper()
	time.Sleep(time.Minute + time.Second)
	synctest.Wait()
	told, requests := r.read()
	if diff := cmp.Diff(want, told); diff != "" || requests != len(want) {
		t.Errorf("%d requests, told (-want +got):\n%s", requests, diff)
	}
}

// telling runs test with the first of two nodes, which tells Events and has told that it is ready.
func telling(t *testing.T, test func(t *testing.T, api *meshtest.API, m *machine, r *teller)) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		api.Create(object(1), announced(2))
		m, r := newMachine(&api, 1), &teller{}
		m.events = r
		m.start()
		defer func() { m.end() }()
		wantTold(t, r, "MeshReady")
		test(t, &api, m, r)
	})
}

// A daemon tells what happens to its node once, and nothing while nothing happens.
func TestEventsAreTold(t *testing.T) {
	telling(t, func(t *testing.T, _ *meshtest.API, m *machine, r *teller) {
		m.attachments.appears("/etc/cni/net.d/05-x.conf", false)
		wantTold(t, r, "ForeignCNI")
		m.attachments.appears("", false)
		wantTold(t, r)
		m.attachments.appears("/etc/cni/net.d/05-x.conf", false)
		wantTold(t, r) // as it was told a moment ago
		m.attachments.appears("", false)
		m.host.SetLeaks(map[string]uint64{"leak-pod": 3})
		wantTold(t, r, "GuardDropped")
		meddler, self := m.host.Meddler(), key(1)
		meddler.Mark(0x4000)
		wantTold(t, r) // as the device kept its key and its sessions, which goes for another port too
		if err := meddler.Change(mesh.Change{Device: &mesh.Device{PublicKey: self, Port: 40000}}); err != nil {
			t.Fatal(err)
		}
		wantTold(t, r)
		if got := m.host.now().Device; got.PublicKey != self || got.Port != mesh.Defaults().Port || got.Mark != 0 {
			t.Errorf("the device is %+v", got)
		}
		meddler.DeleteLink()
		wantTold(t, r, "DeviceReplaced")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if told, _ := r.read(); !slices.Equal(told, []string{"MeshReady"}) {
			t.Errorf("after the other configuration is gone for ten minutes, %v are told", told)
		}
		time.Sleep(time.Hour)
		wantTold(t, r)
		if _, body := m.get("/metrics"); !strings.Contains(body, "\nwarren_events_total{result=\"told\"} 5\n") {
			t.Errorf("not counted in\n%s", body)
		}
	})
}

// A new key is told whatever has replaced it, once.
func TestKeyChangeIsTold(t *testing.T) {
	telling(t, func(t *testing.T, _ *meshtest.API, m *machine, r *teller) {
		m.end()
		m.ring = &ring{key: private(7)}
		m.start()
		wantTold(t, r, "MeshReady", "KeyChanged")
	})
}

// An API server that takes no Events delays nothing else, is asked less and less often, and is told later what still
// holds. One that refuses them is not asked again.
func TestEventsFail(t *testing.T) {
	telling(t, func(t *testing.T, api *meshtest.API, m *machine, r *teller) {
		m.log.read()
		r.set(true, nil)
		m.attachments.appears("/etc/cni/net.d/05-x.conf", false)
		time.Sleep(30 * time.Second)
		api.Create(announced(3))
		time.Sleep(time.Second) // a request lasts five
		if n := len(m.host.peers()); n != 2 {
			t.Errorf("%d peers", n)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if told, requests := r.read(); len(told) > 0 || requests < 5 || requests > 15 {
			t.Errorf("%d requests in twenty minutes, told are %v", requests, told)
		}
		if n := len(logged(m.log.read(), "events are not told")); n != 1 {
			t.Errorf("it is logged %d times", n)
		}
		r.set(false, nil)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if told, requests := r.read(); requests != 1 || !slices.Equal(told, []string{"ForeignCNI"}) {
			t.Errorf("%d requests, told are %v", requests, told)
		}
		if n := len(logged(m.log.read(), "events are told again")); n != 1 {
			t.Errorf("it is logged %d times", n)
		}
		r.set(false, fmt.Errorf("%w: forbidden", events.ErrRefused))
		m.host.SetLeaks(map[string]uint64{"leak-pod": 3})
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if _, requests := r.read(); requests != 1 {
			t.Errorf("%d requests after a refusal", requests)
		}
	})
}
