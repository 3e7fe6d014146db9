package cluster_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/cluster"
)

// What goes through API server and kubelet works from outside of the lab.
func (s *scene) kubectl(t *testing.T) {
	pod := s.web[len(s.web)-1]
	if out := s.outside(t, "logs", pod.Name); !strings.Contains(out, "HTTP") {
		t.Errorf("logs: %q", out)
	}
	if out := s.outside(t, "exec", pod.Name, "--", "cat", "/etc/hostname"); strings.TrimSpace(out) != pod.Name {
		t.Errorf("exec: %q", out)
	}
	s.portForward(t, pod)
}

func (s *scene) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, s.Component("kubectl"),
		append([]string{"--kubeconfig=" + s.Kubeconfig}, args...)...)
}

func (s *scene) outside(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.command(t.Context(), args...).CombinedOutput()
	if err != nil {
		t.Errorf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

func (s *scene) portForward(t *testing.T, pod cluster.Pod) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	forward := s.command(ctx, "port-forward", "pod/"+pod.Name, ":8080")
	out, err := forward.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	forward.Stderr = &stderr
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = forward.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	at := forwarding.FindStringSubmatch(line)
	if at == nil {
		t.Fatalf("port-forward says %q, %v\n%s", line, err, &stderr)
	}
	response, err := http.Get("http://" + at[1] + "/hostname")
	if err != nil {
		t.Fatalf("port-forward: %v", err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("port-forward: %s, %v", response.Status, err)
	}
}
