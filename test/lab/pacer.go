package lab

import (
	"sync"
	"time"
)

// tickInterval is how often the pacer sends what is due: five times for each packet of a flow of 200 a second.
const tickInterval = time.Millisecond

// pacer sends for all flows of a lab from one goroutine.
type pacer struct {
	done chan struct{}

	mu sync.Mutex
	// due is when each flow's next packet is.
	due     map[*Flow]time.Time
	started bool
	ended   bool
}

func newPacer() *pacer { return &pacer{done: make(chan struct{}), due: map[*Flow]time.Time{}} }

// add has the flow send from now on.
func (p *pacer) add(f *Flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due[f] = time.Now()
	if !p.started {
		p.started = true
		go p.run()
	}
}

func (p *pacer) remove(f *Flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.due, f)
}

// stop ends the sending for good.
func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		close(p.done)
	}
}

func (p *pacer) run() {
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case now := <-tick.C:
			p.send(now)
		}
	}
}

// send sends one packet of every flow that is due, or two where it is late by one. Later than that it does not catch up: a
// burst would overflow queues that a steady flow does not fill, and lose packets to nobody's fault.
func (p *pacer) send(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for f, due := range p.due {
		if now.Before(due) {
			continue
		}
		f.send()
		p.due[f] = after(due, now, time.Second/time.Duration(f.options.Rate))
	}
}

// after is when the packet after one that was due is due, at this rate.
func after(due, now time.Time, interval time.Duration) time.Time {
	next := due.Add(interval)
	if now.Sub(next) > 2*interval {
		return now
	}
	return next
}
