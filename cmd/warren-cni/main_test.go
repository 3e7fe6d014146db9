package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni/gate"
)

// asPlugin has the test's binary be the plugin.
const asPlugin = "WARREN_CNI_TEST_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// daemon is a model that answers every request with err and notes it.
type daemon struct {
	sync.Mutex
	err   error
	asked []string
}

func (d *daemon) note(format string, args ...any) error {
	d.Lock()
	defer d.Unlock()
	d.asked = append(d.asked, fmt.Sprintf(format, args...))
	return d.err
}

func (d *daemon) Attach(_ context.Context, a gate.Attachment) error {
	return d.note("ADD %s@%s %s/%s/%s %s %s %v", a.Container, a.Interface, a.Namespace, a.Name, a.UID, a.Port, a.MAC,
		a.Addrs)
}

func (d *daemon) Check(_ context.Context, a gate.Attachment) error {
	return d.note("CHECK %s/%s %s", a.Namespace, a.Name, a.Port)
}

func (d *daemon) Detach(_ context.Context, container, ifname string) error {
	return d.note("DEL %s@%s", container, ifname)
}

func (d *daemon) Ready(context.Context) error { return d.note("STATUS") }

func (d *daemon) Keep(_ context.Context, containers []string) error {
	return d.note("GC %v", containers)
}

// serve serves d until the test ends.
func serve(t *testing.T, dir string, d *daemon) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- gate.Server{RunDir: dir, Daemon: d, Log: slog.New(slog.DiscardHandler)}.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// result is what bridge and host-local of the pinned release make of a pod.
const result = `{"cniVersion":"1.1.0","interfaces":[
	{"name":"warren-br0","mac":"6e:4b:a2:21:0d:7f","mtu":1420},
	{"name":"veth4f0f9f2a","mac":"52:55:f6:53:0c:44","mtu":1420},
	{"name":"eth0","mac":"9a:2c:30:d3:54:10","mtu":1420,"sandbox":"/run/netns/cni-1"}],
	"ips":[{"interface":2,"address":"10.244.1.2/24","gateway":"10.244.1.1"},
	{"interface":2,"address":"fd00:10:244:1::2/64","gateway":"fd00:10:244:1::1"}],
	"routes":[{"dst":"0.0.0.0/0","gw":"10.244.1.1"}]}`

const podArgs = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c1;" +
	"K8S_POD_UID=u1"

// call is one execution of the plugin.
type call struct {
	command, dir string
	// version is the CNI version; empty is 1.1.0.
	version string
	// more are further fields of the configuration, such as `,"prevResult":{}`.
	more string
	args string
}

// run executes the plugin and returns its output, and what it says if it fails.
func (c call) run(t *testing.T) (stdout string, failed *types.Error) {
	t.Helper()
	if c.version == "" {
		c.version = "1.1.0"
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plugin := exec.CommandContext(t.Context(), program)
	plugin.Env = []string{asPlugin + "=1", "CNI_COMMAND=" + c.command, "CNI_CONTAINERID=c1", "CNI_IFNAME=eth0",
		"CNI_NETNS=/run/netns/cni-1", "CNI_PATH=/opt/cni/bin", "CNI_ARGS=" + c.args, "CNI_NETNS_OVERRIDE=1"}
	const conf = `{"cniVersion":%q,"name":"warren","type":"warren-cni","runDir":%q,"bridge":"warren-br0"%s}`
	plugin.Stdin = strings.NewReader(fmt.Sprintf(conf, c.version, c.dir, c.more))
	out, err := plugin.Output()
	var exit *exec.ExitError
	if err == nil {
		return string(out), nil
	}
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	failed = new(types.Error)
	if err := json.Unmarshal(out, failed); err != nil {
		t.Fatalf("it failed with %q: %v", out, err)
	}
	return "", failed
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestCommands(t *testing.T) {
	dir, d := t.TempDir(), &daemon{}
	serve(t, dir, d)
	for _, version := range []string{"1.0.0", "1.1.0"} {
		prev := strings.ReplaceAll(result, "1.1.0", version)
		out, failed := call{command: "ADD", dir: dir, version: version, args: podArgs,
			more: `,"prevResult":` + prev}.run(t)
		if failed != nil {
			t.Fatalf("ADD of %s: %v", version, failed)
		}
		if diff := cmp.Diff(compact(t, prev), compact(t, out)); diff != "" {
			t.Errorf("%s: the result was changed (-want +got):\n%s", version, diff)
		}
	}
	for _, c := range []call{
		{command: "CHECK", args: podArgs, more: `,"prevResult":` + result},
		{command: "DEL", args: podArgs, more: `,"prevResult":` + result},
		{command: "DEL"},
		{command: "STATUS"},
		{command: "GC", more: `,"cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]`},
		{command: "GC", more: `,"cni.dev/valid-attachments":[]`},
		{command: "GC", more: `,"cni.dev/valid-attachments":null`},
	} {
		c.dir = dir
		if out, failed := c.run(t); failed != nil || out != "" {
			t.Errorf("%s: %q, %v", c.command, out, failed)
		}
	}
	const added = "ADD c1@eth0 default/web/u1 veth4f0f9f2a 9a:2c:30:d3:54:10 [10.244.1.2 fd00:10:244:1::2]"
	want := []string{added, added, "CHECK default/web veth4f0f9f2a", "DEL c1@eth0", "DEL c1@eth0", "STATUS", "GC [a]",
		"GC []", "GC []"}
	if diff := cmp.Diff(want, d.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// What the daemon says arrives at the runtime, with the code that the runtime acts upon.
func TestCommandsFail(t *testing.T) {
	dir, d := t.TempDir(), &daemon{err: errors.New("the API server has not told the labels of default/web yet")}
	serve(t, dir, d)
	for command, code := range map[string]uint{
		"ADD": types.ErrTryAgainLater, "DEL": types.ErrTryAgainLater, "CHECK": types.ErrTryAgainLater,
		"GC": types.ErrTryAgainLater, "STATUS": types.ErrPluginNotAvailable,
	} {
		_, failed := call{command: command, dir: dir, args: podArgs,
			more: `,"cni.dev/valid-attachments":[],"prevResult":` + result}.run(t)
		if failed == nil || failed.Code != code || !strings.Contains(failed.Details, "labels of default/web") {
			t.Errorf("%s: %+v, want code %d", command, failed, code)
		}
	}
}

// What is no use to the daemon is refused, and the error says what is missing.
func TestCommandsRefuse(t *testing.T) {
	for name, test := range map[string]struct {
		call
		want string
	}{
		"not chained": {call{command: "ADD", args: podArgs}, "no result of the plugin bridge"},
		"no pod":      {call{command: "ADD", more: `,"prevResult":` + result}, "K8S_POD_NAMESPACE"},
		"another link": {call{command: "ADD", args: podArgs, more: `,"prevResult":{"cniVersion":"1.1.0"}`},
			"made no port"},
		"two ports": {call{command: "CHECK", args: podArgs, more: `,"prevResult":` +
			strings.Replace(result, `"warren-br0"`, `"cni0"`, 1)}, "both cni0 and veth4f0f9f2a"},
		"GC of nothing":  {call{command: "GC"}, "valid-attachments"},
		"GC of a text":   {call{command: "GC", more: `,"cni.dev/valid-attachments":"a"`}, "valid-attachments"},
		"older versions": {call{command: "ADD", version: "0.4.0"}, "incompatible CNI versions"},
	} {
		t.Run(name, func(t *testing.T) {
			test.dir = t.TempDir()
			if _, failed := test.run(t); failed == nil || !strings.Contains(failed.Error(), test.want) {
				t.Errorf("%v, want %q", failed, test.want)
			}
		})
	}
	_, failed := call{command: "ADD", args: podArgs, more: `,"runDir":""`}.run(t)
	if failed == nil || !strings.Contains(failed.Error(), "runDir") {
		t.Errorf("without a run directory: %v", failed)
	}
}

// A daemon that has never served makes the node unready. One that pauses does not: its pods work as before.
func TestStatusWithoutADaemon(t *testing.T) {
	dir := t.TempDir()
	_, failed := call{command: "STATUS", dir: dir}.run(t)
	if failed == nil || failed.Code != types.ErrPluginNotAvailable {
		t.Errorf("before the first daemon: %+v", failed)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- gate.Server{RunDir: dir, Daemon: &daemon{}, Log: slog.New(slog.DiscardHandler)}.Serve(ctx)
	}()
	served := call{command: "ADD", dir: dir, args: podArgs, more: `,"prevResult":` + result}
	if _, failed := served.run(t); failed != nil {
		t.Fatal(failed)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, failed := (call{command: "STATUS", dir: dir}).run(t); failed != nil {
		t.Errorf("after the daemon's end: %v", failed)
	}
}

// With the daemon down a pod ends all the same, and the next daemon is told. None starts: that waits for the daemon.
func TestDaemonDown(t *testing.T) {
	dir, d := t.TempDir(), &daemon{}
	if _, failed := (call{command: "DEL", dir: dir}).run(t); failed != nil {
		t.Errorf("DEL: %v", failed)
	}
	if gone, _ := gate.RecordsIn(dir).Tombstones(); !cmp.Equal(gone, []gate.Key{{Container: "c1", Interface: "eth0"}}) {
		t.Errorf("tombstones: %v", gone)
	}
	if _, failed := (call{command: "DEL", dir: filepath.Join(dir, "uninstalled")}).run(t); failed != nil {
		t.Errorf("DEL where warren is gone: %v", failed)
	}
	_, failed := call{command: "GC", dir: dir, more: `,"cni.dev/valid-attachments":[]`}.run(t)
	if failed == nil || failed.Code != types.ErrTryAgainLater || !strings.Contains(failed.Details, "kubectl") {
		t.Errorf("GC: %+v, want the remedy", failed)
	}
	added := make(chan *types.Error)
	go func() {
		_, failed := call{command: "ADD", dir: dir, args: podArgs, more: `,"prevResult":` + result}.run(t)
		added <- failed
	}()
	serve(t, dir, d)
	if failed := <-added; failed != nil {
		t.Errorf("ADD when the daemon is back: %v", failed)
	}
	if gone, _ := gate.RecordsIn(dir).Tombstones(); len(gone) > 0 || d.asked[0] != "DEL c1@eth0" {
		t.Errorf("tombstones left: %v; asked: %q", gone, d.asked)
	}
}

// A runtime asks which versions the plugin speaks before it uses it.
func TestVersion(t *testing.T) {
	out, failed := call{command: "VERSION"}.run(t)
	const want = `{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}`
	if failed != nil || compact(t, out) != want {
		t.Errorf("%s, %v; want %s", out, failed, want)
	}
}

// The plugin is executed for every pod, from the host's file system: it needs nothing beside it and is small.
func TestSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warren-cni")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > 4<<20 {
		t.Errorf("%d bytes: what does it import that it does not need?", len(content))
	}
	program, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if libraries, err := program.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it needs libraries: %v, %v", libraries, err)
	}
}
