// Package fiber passes control between an event loop and one piece of work at a
// time. It alone knows iter.Pull, the only door to the runtime's coroutine
// switch: the caller of [Fiber.Resume] stands still while the work runs, and the
// work stands still while it is suspended, so the two never run at once.
//
// A coroutine is a goroutine. It is owed an end: work that has finished leaves
// its coroutine idle in the pool, where the next work finds it, and the pool is
// released when the run that filled it is over; work that never finishes is
// killed with [Fiber.Kill].
//
// A coroutine must be resumed in the thread-lock state (runtime.LockOSThread)
// in which it was made. That is why a pool must not outlive a run.
package fiber

import (
	"context"
	"iter"
	"runtime"
	"runtime/pprof"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// Work is what a coroutine runs. Run must not panic: a panic would lose its
// stack on the way through iter.Pull. A runtime.Goexit in it is passed on to
// the caller of Resume.
//
// After Run the coroutine asks Next what it is to run now, before it returns control to
// the caller of Resume. It becomes idle if that is nil.
type Work[S any] interface {
	Run()
	Next(c *Fiber[S]) Work[S]
}

// A Fiber is a coroutine of a pool. It lends its work a State, which the work has to leave
// as it found it: as the zero value.
type Fiber[S any] struct {
	State S

	pool  *Pool[S]
	work  Work[S] // nil while idle
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool

	killed   bool // Kill was called
	returned bool // main has returned

	g uintptr // identifies its goroutine; 0 before that begins and from when it ends
}

// main returns the coroutine's whole life: running one work after another. It is no method
// value, whose wrapper would be one more frame on every stack: in each of its cycles the
// collector unwinds the stacks of all coroutines, at 0.1 µs and more a frame.
func (c *Fiber[S]) main() iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		defer c.exit()
		pprof.SetGoroutineLabels(context.Background()) // those that it has inherited from its maker
		c.yield, c.g = yield, gid.G()
		for {
			for c.work != nil {
				c.work.Run()
				c.work = c.work.Next(c)
			}
			c.pool.idle = append(c.pool.idle, c)
			if !yield(struct{}{}) {
				c.returned = true
				return
			}
		}
	}
}

// unwound is the panic that a killed coroutine ends with.
type unwound struct{}

// exit puts a panic in the place of the runtime.Goexit that unwinds a killed coroutine.
// iter.Pull would pass the Goexit on to the caller of Kill; a panic Kill can recover.
func (c *Fiber[S]) exit() {
	c.g = 0 // from here on another goroutine may get the same
	if c.killed && !c.returned {
		panic(unwound{})
	}
}

// Is reports whether g, which gid.G has returned to the caller, is the coroutine's goroutine. Any
// goroutine may ask, and needs no synchronization with the coroutine: one that is not its own
// sees either another's number here or none, since a number is given to a new goroutine only
// after the coroutine has cleared it.
//
//go:norace
func (c *Fiber[S]) Is(g uintptr) bool { return c.g == g }

// Resume runs the work until it suspends itself or returns.
func (c *Fiber[S]) Resume() { c.next() }

// Suspend returns control to the caller of Resume, until the next Resume. Only the work
// itself may call it. It reports false if the coroutine was killed, whereupon the work
// has to call Unwind. (Suspend does not, so that it can be inlined.)
func (c *Fiber[S]) Suspend() (resumed bool) { return c.yield(struct{}{}) }

// Unwind ends the work of a killed coroutine. It is a runtime.Goexit: a panic might be
// recovered, and the work go on.
func Unwind() { runtime.Goexit() }

// Kill ends a suspended coroutine: its work unwinds, the deferred functions run, and the
// goroutine is gone when Kill returns.
func (c *Fiber[S]) Kill() {
	c.killed = true
	defer func() {
		if r := recover(); r != nil && r != any(unwound{}) {
			panic(r)
		}
	}()
	c.stop()
}

// A burst of tasks leaves idle coroutines behind, of about 3 KB each. Of those that were idle
// throughout a period, which the next bursts have no use for, a share is ended in the
// next, until keepIdle are left. That is not done at once: to end one takes as long as to
// switch to it.
const (
	keepIdle   = 1024
	trimShare  = 4 // a quarter
	trimAtOnce = 256
)

// A Pool holds idle coroutines. The zero Pool is empty and ready.
type Pool[S any] struct {
	idle []*Fiber[S]

	unused  int // the fewest that were idle since the period began
	surplus int // of those, to be ended in this period
}

// Get gives a coroutine that will run w when it is first resumed.
//
// It is tempting to have another thread make coroutines ahead of a burst. That would take a
// goroutine that no run should have, and a coroutine has the thread-lock state of its maker.
//
// It is tempting, too, to keep ended tasks in a free list, as coroutines are kept here. But
// the caller of CreateTask may hold a task forever, and nothing shows when it lets go.
func (p *Pool[S]) Get(w Work[S]) *Fiber[S] {
	if len(p.idle) > 0 {
		c := p.pop()
		c.work = w
		return c
	}
	// Allocating 16 Fibers at once makes 100,000 sleepers 9% slower. One main for the whole pool,
	// which would be told its Fiber by the pool, spares an allocation and gains nothing.
	c := &Fiber[S]{pool: p, work: w}
	// It is tempting to call runtime.coroswitch by linkname and spare iter.Pull's allocations
	// and checks. The linker refuses that outside of package iter.
	c.next, c.stop = iter.Pull(c.main())
	return c
}

// pop takes the coroutine that has become idle last, whose stack is warm.
func (p *Pool[S]) pop() *Fiber[S] {
	n := len(p.idle) - 1
	c := p.idle[n]
	p.idle[n] = nil
	p.idle = p.idle[:n]
	p.unused = min(p.unused, n)
	return c
}

// Len returns the number of idle coroutines.
func (p *Pool[S]) Len() int { return len(p.idle) }

// IsLarge reports whether there are more idle coroutines than a small program has use for.
func (p *Pool[S]) IsLarge() bool { return p.Len() > keepIdle }

// BeginPeriod determines how many coroutines Trim is to end, by how many were idle since it
// was last called.
func (p *Pool[S]) BeginPeriod() {
	unused := min(p.unused, len(p.idle)-keepIdle)
	p.surplus = max(0, min(unused, max(unused/trimShare, keepIdle)))
	p.unused = len(p.idle)
}

// Trim ends some coroutines and reports whether there are more to be ended in this period.
func (p *Pool[S]) Trim() (more bool) {
	n := min(p.surplus, trimAtOnce, len(p.idle))
	p.surplus -= n
	p.shrink(len(p.idle) - n)
	return p.surplus > 0
}

// Release ends all idle coroutines.
func (p *Pool[S]) Release() {
	p.shrink(0)
	p.idle, p.surplus = nil, 0
}

// shrink ends idle coroutines until n are left.
func (p *Pool[S]) shrink(n int) {
	for len(p.idle) > n {
		p.pop().stop()
	}
}
