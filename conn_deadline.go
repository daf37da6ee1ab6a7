package asyncio

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A deadline is that of a Conn, for one direction. Only the loop uses it.
type deadline struct {
	timer   *TimerHandle // until it has come, or nil
	expired bool
}

// passed reports whether the deadline has come, whether or not the loop has noticed.
func (d *deadline) passed(l *Loop) bool {
	return d.expired || d.timer != nil && d.timer.when <= l.Time()
}

func (d *deadline) clear() {
	if d.timer != nil {
		d.timer.Cancel()
	}
	*d = deadline{}
}

// set has expire called at t. The zero time is none.
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

// postedDeadlines are those that another goroutine has set and the loop has not applied. They are
// kept here, and not in what is posted, so that the loop can apply them in its next call: a
// goroutine that has set a deadline may have told a task so.
type postedDeadlines struct {
	any         atomic.Bool
	mu          sync.Mutex
	read, write *time.Time
}

// SetDeadline sets the deadlines for reading and for writing. The zero time is none. After
// Close it returns net.ErrClosed. It does not suspend or block.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(&t, &t) }

// SetReadDeadline has Read end when the time has come, also one that waits. From then on Read fails,
// even if there is something to read, until another deadline is set.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(&t, nil) }

// SetWriteDeadline has Write end when the time has come, also one that waits.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

// setDeadlines sets those that are not nil.
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
