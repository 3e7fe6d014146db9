package kube

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

// follow runs a Cluster until the test ends and waits until it has synced.
func (s *apiServer) follow(t *testing.T, name string, changed func()) (*Cluster, *requests) {
	t.Helper()
	seen := &requests{}
	config := s.config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { seen.next = next; return seen })
	c, err := New(Config{REST: config, NodeName: name, Changed: changed})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	eventually(t, "synced", func() bool { return c.Synced() && c.Waiting() == "" })
	return c, seen
}

// requests counts a Cluster's requests by what they ask for and what they get.
type requests struct {
	next http.RoundTripper
	mu   sync.Mutex
	seen map[string]int
}

func (r *requests) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err != nil {
		return response, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]int{}
	}
	verb, what := "list", "nodes"
	if request.URL.Query().Get("watch") != "" {
		verb = "watch"
	}
	if strings.Contains(request.Header.Get("Accept"), "PartialObjectMetadata") {
		what = "metadata"
	}
	r.seen[strings.Join([]string{verb, what, response.Header.Get("Content-Type")}, " ")]++
	return response, err
}

// testFollowing shows that Nodes come in streams of protobuf, and that only what matters pokes: one mirror's difference
// is one poke, and a heartbeat is none.
func testFollowing(t *testing.T, s *apiServer) {
	uid := string(s.create(t, "n").UID)
	s.create(t, "other")
	var pokes atomic.Int32
	c, seen := s.follow(t, "n", func() { pokes.Add(1) })
	want := map[string]int{
		"watch metadata application/vnd.kubernetes.protobuf;stream=watch": 1,
		"watch nodes application/vnd.kubernetes.protobuf;stream=watch":    1,
	}
	if diff := cmp.Diff(want, seen.seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	pokes.Store(0)
	for range 5 {
		s.heartbeat(t, "n")
		s.heartbeat(t, "other")
	}
	s.annotate(t, "other", "example.org/other", "thing")
	// Events come in order: when this one has come through both watches, those before it have.
	if err := c.Publish(t.Context(), uid, said); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the announcement comes back", func() bool {
		self, ok := c.Self()
		return ok && self.Published == said && slices.ContainsFunc(c.Nodes(), mesh.Node.Announced)
	})
	if got := pokes.Load(); got != 2 {
		t.Errorf("%d pokes, want one of each watch, for the announcement", got)
	}
}

func testReplacedNode(t *testing.T, s *apiServer) {
	s.create(t, "n")
	c, _ := s.follow(t, "n", nil)
	s.remove(t, "n")
	eventually(t, "the Node is gone", func() bool { _, ok := c.Self(); return !ok && len(uids(c.nodes)) == 0 })
	uid := string(s.create(t, "n").UID)
	eventually(t, "the new Node is there", func() bool {
		self, _ := c.Self()
		return self.UID == uid && uids(c.nodes)["n"] == uid
	})
}

// testOutage stops the API server and changes what it knows while nobody watches.
func testOutage(t *testing.T, s *apiServer) {
	uid := string(s.create(t, "n").UID)
	gone := string(s.create(t, "gone").UID)
	c, _ := s.follow(t, "n", nil)
	s.api.kill()
	refused := "the API server at " + c.host + ": dial: connect: connection refused"
	eventually(t, "the outage is known", func() bool { return c.Waiting() == refused })
	self, ok := c.Self()
	if diff := cmp.Diff(map[string]string{"n": uid, "gone": gone}, uids(c.nodes)); diff != "" || !c.Synced() || !ok ||
		self.UID != uid {
		t.Errorf("not frozen: synced %t, self %v, nodes (-want +got):\n%s", c.Synced(), self.UID, diff)
	}
	s.start(t)
	s.remove(t, "gone")
	eventually(t, "what happened meanwhile is known", func() bool {
		return c.Waiting() == "" && cmp.Equal(uids(c.nodes), map[string]string{"n": uid})
	})
	if _, ok := c.Self(); !ok {
		t.Error("the own Node was lost")
	}
}
