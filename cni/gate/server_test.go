package gate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// daemon is a model of the daemon: it knows attachments, and does what a test has it do before.
type daemon struct {
	sync.Mutex
	known  map[Key]Attachment
	before func(ctx context.Context, command string) error
}

func (d *daemon) do(ctx context.Context, command string, change func()) error {
	if d.before != nil {
		if err := d.before(ctx, command); err != nil {
			return err
		}
	}
	d.Lock()
	defer d.Unlock()
	change()
	return nil
}

func (d *daemon) Attach(ctx context.Context, a Attachment) error {
	return d.do(ctx, add, func() { d.known[a.Key()] = a })
}

func (d *daemon) Detach(ctx context.Context, container, ifname string) error {
	return d.do(ctx, del, func() { delete(d.known, Key{container, ifname}) })
}

func (d *daemon) Check(ctx context.Context, a Attachment) (err error) {
	return errors.Join(d.do(ctx, check, func() {
		if !cmp.Equal(d.known[a.Key()], a, cmp.Comparer(sameAddr)) {
			err = errors.New("port p1 is not in the table")
		}
	}), err)
}

func (d *daemon) Ready(ctx context.Context) error { return d.do(ctx, status, func() {}) }

func (d *daemon) Keep(ctx context.Context, containers []string) error {
	return d.do(ctx, gc, func() {
		for key := range d.known {
			if !strings.Contains(strings.Join(containers, " "), key.Container) {
				delete(d.known, key)
			}
		}
	})
}

func (d *daemon) keys() map[Key]Attachment {
	d.Lock()
	defer d.Unlock()
	return d.known
}

func sameAddr(a, b netip.Addr) bool { return a == b }

func pod(name string) Attachment {
	return Attachment{Container: name, Interface: "eth0", Namespace: "default", Name: name, UID: "u-" + name,
		Port: "veth" + name, MAC: "02:00:00:00:00:01",
		Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.2"), netip.MustParseAddr("fd00:10:244:1::2")}}
}

func newDaemon() *daemon { return &daemon{known: map[Key]Attachment{}} }

// start serves d in dir until stop is called. The socket is there when it returns.
func start(t *testing.T, dir string, d Daemon) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	_ = os.Remove(Socket(dir))
	go func() { ended <- Server{RunDir: dir, Daemon: d, Log: slog.New(slog.DiscardHandler)}.Serve(ctx) }()
	for _, err := os.Lstat(Socket(dir)); err != nil; _, err = os.Lstat(Socket(dir)) {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// within returns a context that ends after a time that only a fault reaches.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestServe(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	defer start(t, dir, d)()
	client, ctx := Client{Socket(dir)}, within(t)
	if err := client.patiently(ctx, request{Command: status}); err != nil {
		t.Error("STATUS: ", err)
	}
	if err := client.Ready(ctx); err != nil {
		t.Error("STATUS: ", err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := client.Attach(ctx, pod(name)); err != nil {
			t.Fatal("ADD: ", err)
		}
	}
	if err := client.Check(ctx, pod("a")); err != nil {
		t.Error("CHECK: ", err)
	}
	other := pod("a")
	other.UID = ""
	if err := client.Check(ctx, other); err == nil || err.Error() != "port p1 is not in the table" {
		t.Errorf("CHECK: %v, want what the daemon says", err)
	}
	for range 2 {
		if err := client.Detach(ctx, "a", "eth0"); err != nil {
			t.Error("DEL: ", err)
		}
	}
	if err := client.Keep(ctx, []string{"b"}); err != nil {
		t.Error("GC: ", err)
	}
	if diff := cmp.Diff(map[Key]Attachment{{"b", "eth0"}: pod("b")}, d.keys(), cmp.Comparer(sameAddr)); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
	info, err := os.Lstat(Socket(dir))
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
}

// Many pods start at once, and each is answered although another waits.
func TestServeManyAtOnce(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	const pods = 110
	var inside sync.WaitGroup
	inside.Add(pods)
	d.before = func(context.Context, string) error {
		inside.Done()
		inside.Wait()
		return nil
	}
	defer start(t, dir, d)()
	ctx := within(t)
	var all sync.WaitGroup
	for i := range pods {
		all.Go(func() {
			a := pod("p")
			a.Container += strings.Repeat("x", i)
			if err := (Client{Socket(dir)}).Attach(ctx, a); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := len(d.keys()); got != pods {
		t.Errorf("%d known, want %d", got, pods)
	}
}

// A pod is attached although the daemon is down at first, or ends in the middle.
func TestAttachOutlivesARestart(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	asked := make(chan struct{})
	d.before = func(ctx context.Context, _ string) error {
		close(asked)
		<-ctx.Done()
		return ctx.Err()
	}
	done := make(chan error)
	go func() { done <- Client{Socket(dir)}.Attach(within(t), pod("a")) }()
	stop := start(t, dir, d)
	<-asked
	stop()
	d.before = nil
	defer start(t, dir, d)()
	if err := <-done; err != nil || len(d.keys()) != 1 {
		t.Errorf("%v, known: %v", err, d.keys())
	}
}

// Without a daemon, or without its answer, the client gives up in time and says which.
func TestClientGivesUp(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	short, cancel := context.WithTimeout(t.Context(), 2*again)
	defer cancel()
	if err := (Client{Socket(dir)}).Attach(short, pod("a")); !errors.Is(err, ErrDown) {
		t.Errorf("without a daemon: %v", err)
	}
	if err := (Client{Socket(dir)}).Detach(t.Context(), "a", "eth0"); !errors.Is(err, ErrDown) {
		t.Errorf("DEL without a daemon: %v", err)
	}
	start(t, dir, d)()
	if err := (Client{Socket(dir)}).Detach(t.Context(), "a", "eth0"); !errors.Is(err, ErrDown) {
		t.Errorf("DEL with an old socket: %v", err)
	}
	asked, ended := make(chan struct{}, 2), make(chan struct{})
	d.before = func(ctx context.Context, _ string) error {
		asked <- struct{}{}
		<-ctx.Done()
		close(ended)
		return errors.New("the API server has not told the labels of default/a yet")
	}
	defer start(t, dir, d)()
	ctx, cancel := context.WithTimeout(t.Context(), answerIn+100*time.Millisecond)
	defer cancel()
	err := Client{Socket(dir)}.Attach(ctx, pod("a"))
	if err == nil || !strings.Contains(err.Error(), "labels of default/a") {
		t.Errorf("%v, want the daemon's reason", err)
	}
	<-asked
	<-ended
	ended = make(chan struct{})
	killed, kill := context.WithCancel(t.Context())
	go func() {
		<-asked // Sooner, the daemon might never hear of the request.
		kill()
	}()
	if err := (Client{Socket(dir)}).Attach(killed, pod("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want what ended it", err)
	}
	<-ended // The daemon notices that nobody waits any more.
}

// say sends a line and returns the answer.
func say(t *testing.T, dir, line string) (answer response) {
	t.Helper()
	conn, err := net.Dial("unix", Socket(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { _, _ = io.WriteString(conn, line) }()
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		t.Errorf("%.40s: %v", line, err)
	}
	return answer
}

// An older or newer side is understood as far as it can be, and nonsense is refused with its reason.
func TestServeOtherVersions(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	defer start(t, dir, d)()
	text, err := json.Marshal(pod("a"))
	if err != nil {
		t.Fatal(err)
	}
	newer := `{"command":"ADD","later":{"x":[1]},"attachment":{"later":1,` + string(text[1:]) + "}\n"
	if got := say(t, dir, newer); got != (response{}) || len(d.keys()) != 1 {
		t.Errorf("a newer ADD: %v", got)
	}
	if got := say(t, dir, `{"command":"RENAME"}`); got != (response{Unknown: true}) {
		t.Errorf("a newer command: %v", got)
	}
	for line, want := range map[string]string{
		"{]": "invalid character",
		`{"command":"ADD","attachment":{"container":"../x","interface":"eth0"}}`: "no ID of a container",
		`{"command":"DEL","attachment":{"container":"x","interface":"a/b"}}`:     "no name of an interface",
		`{"command":"` + strings.Repeat("A", 1<<21) + `"}`:                       "more than 1 MiB",
	} {
		if got := say(t, dir, line); !strings.Contains(got.Error, want) {
			t.Errorf("%.40s: %q, want %q", line, got.Error, want)
		}
	}
}

// An older daemon's answer is understood: it knows no such command.
func TestClientOfAnOlderDaemon(t *testing.T) {
	dir := t.TempDir()
	listener, err := Listen(Socket(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_, _ = conn.Read(make([]byte, maxMessage))
			_, _ = io.WriteString(conn, `{"unknown":true,"later":1}`)
			_ = conn.Close()
		}
	}()
	if err := (Client{Socket(dir)}).Keep(within(t), nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v, want %v", err, ErrUnknown)
	}
}

// Who deletes the socket's file does not end the gate.
func TestSocketIsMadeAgain(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	defer start(t, dir, d)()
	if err := os.Remove(Socket(dir)); err != nil {
		t.Fatal(err)
	}
	if err := (Client{Socket(dir)}).Attach(within(t), pod("a")); err != nil {
		t.Error(err)
	}
}

// What ended while the daemon was down is taken away before the first request, and a pod that is attached again with
// the same container is not buried with the first.
func TestTombstones(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	records := RecordsIn(dir)
	d.known = map[Key]Attachment{pod("a").Key(): pod("a"), pod("b").Key(): pod("b")}
	for range 2 {
		if err := records.Bury("a", "eth0"); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(records.Dir, "nonsense.gone"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.before = func(_ context.Context, command string) error {
		if _, still := d.known[pod("a").Key()]; still && command != del {
			t.Errorf("%s came before the tombstone", command)
		}
		return nil
	}
	defer start(t, dir, d)()
	client, ctx := Client{Socket(dir)}, within(t)
	if err := client.patiently(ctx, request{Command: status}); err != nil {
		t.Fatal(err)
	}
	if gone, problems := records.Tombstones(); len(gone) > 0 || len(problems) != 1 {
		t.Errorf("tombstones of %v remain, problems %v", gone, problems)
	}
	if err := records.Bury("b", "eth0"); err != nil {
		t.Fatal(err)
	}
	if err := client.Attach(ctx, pod("b")); err != nil {
		t.Fatal(err)
	}
	if gone, _ := records.Tombstones(); len(gone) > 0 {
		t.Errorf("%v is attached and has a tombstone", gone)
	}
	if err := (Records{filepath.Join(dir, "uninstalled", "pods")}).Bury("a", "eth0"); err != nil {
		t.Errorf("where warren is gone: %v", err)
	}
}

// All tombstones are taken at once: the daemon reads conntrack's table once for many, and not once for each.
func TestTombstonesAreTakenTogether(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	const pods = 30
	for i := range pods {
		if err := RecordsIn(dir).Bury(strings.Repeat("x", i+1), "eth0"); err != nil {
			t.Fatal(err)
		}
	}
	var inside atomic.Int32
	all := make(chan struct{})
	d.before = func(ctx context.Context, command string) error {
		if command == del && inside.Add(1) == pods {
			close(all)
		}
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer start(t, dir, d)()
	if err := (Client{Socket(dir)}).Ready(within(t)); err != nil {
		t.Errorf("%v: %d of %d detached at once", err, inside.Load(), pods)
	}
}

// A daemon may fail for a reason of any length, such as all that nft complains of: the plugin reads the beginning. An
// older daemon's long answer is one, too, and no sign that it does not run.
func TestLongReasonsReachThePlugin(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	long := errors.New("nft: " + strings.Repeat("no such file\n", 2<<17))
	d.before = func(context.Context, string) error { return long }
	defer start(t, dir, d)()
	err := Client{Socket(dir)}.Attach(within(t), pod("a"))
	if err == nil || errors.Is(err, ErrDown) || !strings.HasPrefix(err.Error(), "nft: no such file\n") ||
		len(err.Error()) > 16<<10 {
		t.Errorf("ADD: %.200v", err)
	}
	older, theirs := net.Pipe()
	go func() {
		_ = read(theirs, new(request))
		_ = json.NewEncoder(theirs).Encode(response{Error: strings.Repeat("x", 2<<20)})
	}()
	if _, err := exchange(older, request{}); !errors.Is(err, errTooLong) {
		t.Errorf("an answer of 2 MiB: %v", err)
	}
	_ = older.Close()
}
