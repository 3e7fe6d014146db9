package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// Client is the daemon, asked over its socket. Each function waits until the deadline of its context, and a minute at
// most. Errors wrap ErrDown, ErrUnknown or the context's error, or say what the daemon answered.
type Client struct {
	// Socket is the path of the daemon's socket.
	Socket string
}

var _ Daemon = Client{}

// Attach is repeated until the deadline while the daemon does not run, because one that restarts is back in a second
// or two. To attach twice is the same as once.
func (c Client) Attach(ctx context.Context, a Attachment) error {
	return c.patiently(ctx, request{Command: add, Attachment: a})
}

// Detach is sent once.
func (c Client) Detach(ctx context.Context, container, ifname string) error {
	return c.ask(ctx, request{Command: del, Attachment: Attachment{Container: container, Interface: ifname}})
}

// Check is repeated like Attach.
func (c Client) Check(ctx context.Context, a Attachment) error {
	return c.patiently(ctx, request{Command: check, Attachment: a})
}

// Ready is sent once.
func (c Client) Ready(ctx context.Context) error { return c.ask(ctx, request{Command: status}) }

// Keep is sent once.
func (c Client) Keep(ctx context.Context, containers []string) error {
	return c.ask(ctx, request{Command: gc, Containers: containers})
}

// again is how long patiently waits between two attempts to connect.
const again = 50 * time.Millisecond

func (c Client) patiently(ctx context.Context, r request) error {
	for {
		err := c.ask(ctx, r)
		if !errors.Is(err, ErrDown) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(again):
		}
	}
}

// answerIn is how much earlier than the client's deadline the daemon gives up, so that its reason arrives.
const answerIn = 500 * time.Millisecond

func (c Client) ask(ctx context.Context, r request) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	deadline, _ := ctx.Deadline()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDown, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r.Wait = max(1, (time.Until(deadline) - answerIn).Milliseconds())
	answer, err := exchange(conn, r)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("the warren daemon of this node gave no answer: %w", ctx.Err())
	case errors.Is(err, errTooLong):
		return fmt.Errorf("the warren daemon of this node answers with %w", err)
	case err != nil:
		return fmt.Errorf("%w any more: %w", ErrDown, err)
	case answer.Unknown:
		return fmt.Errorf("%w %s", ErrUnknown, r.Command)
	case answer.Error != "":
		return errors.New(answer.Error)
	}
	return nil
}

func exchange(conn net.Conn, r request) (answer response, err error) {
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return answer, err
	}
	return answer, read(conn, &answer)
}
