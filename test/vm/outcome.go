package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"warren.mesh/test/vm/guest"
)

// section is what one test binary has said.
type section struct {
	pkg   string
	lines []byte
	// verdict is guest.OK, or what is wrong with the binary as a whole; empty where the machine ended before it did.
	verdict string
}

// sections takes an outcome apart; done says that init came to its end.
func sections(outcome []byte) (all []section, done bool) {
	for line := range bytes.Lines(outcome) {
		text := strings.TrimRight(string(line), "\n")
		open := len(all) > 0 && all[len(all)-1].verdict == ""
		pkg, begins := strings.CutPrefix(text, guest.Begin+" ")
		end, ends := strings.CutPrefix(text, guest.End+" ")
		switch {
		case begins:
			all = append(all, section{pkg: pkg})
		case open && ends:
			_, all[len(all)-1].verdict, _ = strings.Cut(end, " ")
		case text == guest.Done:
			done = true
		case open:
			all[len(all)-1].lines = append(all[len(all)-1].lines, line...)
		}
	}
	return all, done
}

// event is one line of `go tool test2json`, as far as it is of interest.
type event struct {
	Action, Test, Output string
	Elapsed              float64
}

// events has Go's own tool read what a test binary has said.
func (s section) events(ctx context.Context) ([]event, error) {
	c := exec.CommandContext(ctx, "go", "tool", "test2json", "-p", s.pkg)
	c.Stdin = bytes.NewReader(s.lines)
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("convert what %s has said: %w", s.pkg, err)
	}
	var all []event
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("convert what %s has said: %w", s.pkg, err)
		}
		all = append(all, e)
	}
}
