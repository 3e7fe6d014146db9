package survey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// containers have the program warren, in the order in which they are asked. The second works while the daemon's
// container crashes: it has the same network and capability.
var containers = []string{daemonContainer, "wireguard"}

// mostAnswer bounds a node's answer, in bytes: 5,000 peers take some 3 MiB. mostComplaint is how much is kept of what
// it writes to standard error.
const (
	mostAnswer    = 64 << 20
	mostComplaint = 4 << 10
)

// ErrUsage is wrapped by errors about commands that the program on the node does not take. One of another version knows
// other flags.
var ErrUsage = errors.New("it does not take this command")

// usageStatus is warren's exit status for a command that it does not take.
const usageStatus = 2

// Ask runs warren with arguments on the node of a pod of the DaemonSet, and returns what it writes to standard output,
// whatever its exit status. It returns when the node has answered or the Reader's time-out is over.
func (r *Reader) Ask(ctx context.Context, pod string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	var errs []error
	for _, container := range containers {
		out, err := r.bounded(ctx, pod, container, args)
		if err == nil {
			return out, nil
		}
		errs = append(errs, fmt.Errorf("container %s: %w", container, err))
		if ctx.Err() != nil || errors.Is(err, ErrForbidden) || errors.Is(err, ErrUsage) {
			break
		}
	}
	return nil, fmt.Errorf("ask pod %s: %w", pod, errors.Join(errs...))
}

// bounded returns when ctx ends although the request may not: a stream that is being set up does not look at it.
func (r *Reader) bounded(ctx context.Context, pod, container string, args []string) ([]byte, error) {
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := r.execute(ctx, pod, container, args)
		done <- result{out, err}
	}()
	select {
	case r := <-done:
		return r.out, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer within %v", r.cfg.Timeout)
	}
}

func (r *Reader) execute(ctx context.Context, pod, container string, args []string) ([]byte, error) {
	options := &corev1.PodExecOptions{
		Container: container, Command: append([]string{"warren"}, args...), Stdout: true, Stderr: true,
	}
	url := r.groups[corev1.SchemeGroupVersion].Post().Namespace(r.cfg.Namespace).Resource("pods").Name(pod).
		SubResource("exec").VersionedParams(options, r.params).URL()
	config := rest.CopyConfig(r.cfg.REST)
	executor, err := remotecommand.NewWebSocketExecutor(config, "GET", url.String())
	if err != nil {
		return nil, err
	}
	stdout, stderr := answer{most: mostAnswer}, answer{most: mostComplaint, cut: true}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	var code exec.CodeExitError
	switch {
	case errors.As(err, &code) && stdout.text.Len() > 0, err == nil:
		return stdout.text.Bytes(), nil // commands that find something, or could not tell, say so in what they write
	case errors.As(err, &code) && code.ExitStatus() == usageStatus:
		return nil, fmt.Errorf("%w: %s", ErrUsage, strings.TrimSpace(stderr.text.String()))
	case strings.Contains(err.Error(), "forbidden"):
		return nil, fmt.Errorf("%w: create pods/exec", ErrForbidden)
	default:
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.text.String()))
	}
}

// answer is a buffer that refuses more than most bytes, or with cut takes the rest and forgets it. It does not embed
// its Buffer, whose ReadFrom would go past Write.
type answer struct {
	text bytes.Buffer
	most int
	cut  bool
}

// Write implements io.Writer.
func (a *answer) Write(p []byte) (int, error) {
	fits := min(len(p), a.most-a.text.Len())
	if fits < len(p) && !a.cut {
		return 0, errors.New("the answer is too long")
	}
	_, _ = a.text.Write(p[:fits])
	return len(p), nil
}
