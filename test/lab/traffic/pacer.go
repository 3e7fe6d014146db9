package traffic

import (
	"sync"
	"time"
)

// tickInterval is how often the pacer sends what is due: five times for each packet of a flow of 200 a second.
const tickInterval = time.Millisecond

// Pacer sends for all flows of a lab from one goroutine.
type Pacer struct {
	done chan struct{}

	mu sync.Mutex
	// flows is how many there have been.
	flows uint32
	// due is when each flow's next packet is.
	due     map[*Flow]time.Time
	started bool
	ended   bool
}

// NewPacer is one without flows.
func NewPacer() *Pacer { return &Pacer{done: make(chan struct{}), due: map[*Flow]time.Time{}} }

// add has the flow send from now on.
func (p *Pacer) add(f *Flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due[f] = time.Now()
	if !p.started {
		p.started = true
		go p.run()
	}
}

// number is the next flow's.
func (p *Pacer) number() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flows++
	return p.flows
}

func (p *Pacer) remove(f *Flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.due, f)
}

// Stop ends the sending for good. It may be called twice.
func (p *Pacer) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		close(p.done)
	}
}

func (p *Pacer) run() {
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

// send sends one packet of every flow that is due, or two where it is late by one. Later than that it does not catch
// up: a burst would overflow queues that a steady flow does not fill, and lose packets to nobody's fault.
func (p *Pacer) send(now time.Time) {
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
