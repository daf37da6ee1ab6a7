package asyncio

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A deadline is the deadline of a Conn for one direction. Only the loop's goroutine uses it.
type deadline struct {
	timer   *TimerHandle // nil if there is no deadline or it has come
	expired bool
}

// passed reports whether the deadline has come, even if its timer has not fired yet.
func (d *deadline) passed(l *Loop) bool {
	return d.expired || d.timer != nil && d.timer.when <= l.Time()
}

func (d *deadline) clear() {
	if d.timer != nil {
		d.timer.Cancel()
	}
	*d = deadline{}
}

// set makes the loop call expire at t. The zero time means no deadline.
func (d *deadline) set(l *Loop, t time.Time, expire func()) {
	d.clear()
	if t.IsZero() {
		return
	}
	due := func() {
		d.timer, d.expired = nil, true
		expire()
	}
	if left := time.Until(t); left > 0 {
		d.timer = l.CallLater(left, due)
	} else {
		due()
	}
}

// postedDeadlines are deadlines that another goroutine has set and the loop has not applied
// yet. They are kept here and not in the callback that is posted, so that the loop can apply
// them at its next call: the goroutine may already have notified a task that it has set a
// deadline.
type postedDeadlines struct {
	any         atomic.Bool
	mu          sync.Mutex
	read, write *time.Time
}

// SetDeadline sets the deadlines for reading and writing. The zero time means no deadline.
// After Close it returns net.ErrClosed. It does not suspend or block.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(&t, &t) }

// SetReadDeadline makes Read fail from t on, even a Read that waits, and even if there is
// something to read, until another deadline is set. Otherwise it is like SetDeadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(&t, nil) }

// SetWriteDeadline makes Write fail from t on, even a Write that waits, until another deadline
// is set. Otherwise it is like SetDeadline.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

// setDeadlines sets the deadlines that are not nil.
func (c *Conn) setDeadlines(read, write *time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	if c.loop.here() {
		c.obey()
		if c.writer.closing {
			return c.opError("set", net.ErrClosed)
		}
		c.applyDeadlines(read, write)
		return nil
	}
	p := &c.posted
	p.mu.Lock()
	if read != nil {
		p.read = read
	}
	if write != nil {
		p.write = write
	}
	p.any.Store(true)
	p.mu.Unlock()
	if c.loop.post(callback(c.obey)) != nil {
		return c.opError("set", net.ErrClosed)
	}
	return nil
}

// obey applies the deadlines that other goroutines have set.
func (c *Conn) obey() {
	p := &c.posted
	if !p.any.Load() {
		return
	}
	p.mu.Lock()
	read, write := p.read, p.write
	p.read, p.write = nil, nil
	p.any.Store(false)
	p.mu.Unlock()
	if !c.closed.Load() {
		c.applyDeadlines(read, write)
	}
}

func (c *Conn) applyDeadlines(read, write *time.Time) {
	if read != nil {
		c.reader.expired = false
		c.readDeadline.set(c.loop, *read, func() {
			c.reader.expired = true
			c.reader.wakeUp()
			c.readers.wakeAll()
		})
	}
	if write != nil {
		c.writer.expired = false
		c.writeDeadline.set(c.loop, *write, func() {
			c.writer.expired = true
			c.writer.drainers.wakeAll()
		})
	}
}
