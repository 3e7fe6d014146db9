package agent

import (
	"fmt"
	"log/slog"

	"warren.mesh/mesh"
)

// maxLines is how many things a single change may log one by one. A node that joins a large mesh logs their number.
const maxLines = 50

// changeLog logs what is changed on the host.
type changeLog struct {
	log *slog.Logger
	// attempted are the lines of changes that have not succeeded yet: each retry would repeat them.
	attempted map[string]bool
}

// add logs a change to the host, or the attempt at one if err is not nil.
func (l *changeLog) add(c mesh.Change, err error) {
	var fresh []mesh.Line
	attempted := map[string]bool{}
	for _, line := range c.Lines() {
		text := fmt.Sprint(line.Message, line.Args)
		attempted[text] = true
		if !l.attempted[text] {
			fresh = append(fresh, line)
		}
	}
	if l.attempted = attempted; err == nil {
		l.attempted = nil
	}
	if len(fresh) > maxLines {
		l.log.Info("host changed", "changes", len(fresh))
		return
	}
	for _, line := range fresh {
		l.log.Info(line.Message, line.Args...)
	}
}
