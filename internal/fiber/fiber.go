// Package fiber passes control between an event loop and one piece of work at a time. It alone uses
// iter.Pull, which is the only way to the runtime's coroutine switch. The caller of [Fiber.Resume]
// stands still while the work runs, and the work stands still while it is suspended, so the two
// never run at once.
//
// A fiber is a goroutine, and somebody has to end it. Work that has finished leaves its fiber idle
// in the pool, where the next work finds it, and the pool is released when the run that filled it
// is over. Work that never finishes is killed with [Fiber.Kill].
//
// A fiber must be resumed in the thread-lock state (runtime.LockOSThread) in which it was made.
// That is why a pool must not outlive a run.
package fiber

import (
	"context"
	"iter"
	"runtime"
	"runtime/pprof"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// Work runs on a fiber. Run must not panic: a panic would lose its stack on the way through
// iter.Pull. A runtime.Goexit in it goes on in the caller of Resume.
//
// After Run the fiber asks Next for the work to run now, before it returns control to the caller of
// Resume. If Next returns nil, the fiber becomes idle.
//
// OnGoexit is called when a runtime.Goexit has ended Run, even one that Run has not seen because
// a deferred function panicked, before the Goexit goes on in the caller of Resume.
type Work[S any] interface {
	Run()
	Next(f *Fiber[S]) Work[S]
	OnGoexit()
}

// A Fiber is a goroutine of a pool. It lends its work a State. The work finds the zero value there,
// and must leave it there.
type Fiber[S any] struct {
	State S

	pool  *Pool[S]
	work  Work[S] // nil while idle
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool

	probe    func() // to be called on the fiber's goroutine while its work is suspended, or nil
	killed   bool   // Kill was called
	returned bool   // main has returned

	g     uintptr   // gid.G of its goroutine; 0 before that begins and from when it ends
	inner *Fiber[S] // the fiber on which the work goes on; see Call
}

// main returns the whole life of the fiber: running one work after another. It is not a method
// value, whose wrapper would add a frame to every stack: in each of its cycles the garbage
// collector unwinds the stacks of all fibers, at 0.1 µs or more a frame.
func (f *Fiber[S]) main() iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		defer f.exit()
		pprof.SetGoroutineLabels(context.Background()) // drops the labels inherited from its maker
		f.yield, f.g = yield, gid.G()
		for {
			for f.work != nil {
				f.work.Run()
				f.work = f.work.Next(f)
			}
			f.pool.idle = append(f.pool.idle, f)
			if !yield(struct{}{}) {
				f.returned = true
				return
			}
		}
	}
}

// unwound is the panic with which a killed fiber ends.
type unwound struct{}

// exit replaces the runtime.Goexit that unwinds a killed fiber by a panic. iter.Pull would pass the
// Goexit on to the caller of Kill; a panic can be recovered there.
func (f *Fiber[S]) exit() {
	f.g = 0 // from here on another goroutine may get the same
	switch {
	case f.returned:
	case f.killed:
		panic(unwound{})
	default:
		f.work.OnGoexit()
	}
}

// Is reports whether g, which gid.G has returned to the caller, is the goroutine that does the
// fiber's work. Any goroutine may call it, without synchronization with the fiber. On another
// goroutine Is reads 0 or another goroutine's number, but never the caller's: a number is given to a
// new goroutine only after the fiber has cleared it.
//
//go:norace
func (f *Fiber[S]) Is(g uintptr) bool {
	if inner := f.inner; inner != nil {
		return inner.g == g
	}
	return f.g == g
}

// Resume runs the work until it suspends itself or returns.
func (f *Fiber[S]) Resume() { f.next() }

// Call resumes inner as a part of f's work, which must be running. The work of inner may suspend f:
// then the Resume of f returns, and the next one goes on in inner. Call returns when inner suspends
// itself or its work returns.
func (f *Fiber[S]) Call(inner *Fiber[S]) {
	outer := f.inner
	f.inner = inner
	defer func() { f.inner = outer }() // deferred for runtime.Goexit
	inner.Resume()
	for f.probe != nil { // inner has returned control in answer
		f.answer(outer)
		inner.Resume()
	}
}

// Suspend returns control to the caller of Resume, until the next Resume. Only the work itself may
// call it. It reports false if the fiber was killed or is probed; the work must then call
// Interrupted and, if it is to stay suspended, Suspend again. (Suspend does not do so itself, so
// that it can be inlined.)
func (f *Fiber[S]) Suspend() (resumed bool) { return f.yield(struct{}{}) && f.probe == nil }

// Probe calls fn on the goroutine of a suspended fiber, on top of the stack of its work, which
// remains suspended. If the work goes on on other fibers (see Call), Probe calls fn on each of their
// goroutines, the innermost first. fn must not panic.
func (f *Fiber[S]) Probe(fn func()) {
	f.probe = fn
	f.next()
}

// Interrupted answers a Probe, or reports that the fiber was killed: then the work must call
// Unwind.
func (f *Fiber[S]) Interrupted() (killed bool) {
	if f.killed {
		return true
	}
	f.answer(f.inner)
	return false
}

// answer calls the probe on the goroutine of current, a fiber that f has called, or of f itself if
// current is nil. It returns when the probe has been called on the goroutines of the callers, too.
func (f *Fiber[S]) answer(current *Fiber[S]) {
	f.probe()
	if current == nil {
		f.probe = nil
	} else {
		current.yield(struct{}{})
	}
}

// Unwind ends the work of a killed fiber. It is a runtime.Goexit, since the work might recover a
// panic and go on.
func Unwind() { runtime.Goexit() }

// Kill ends a suspended fiber: its work unwinds, and its deferred functions run. The goroutine is
// gone when Kill returns.
func (f *Fiber[S]) Kill() {
	f.killed = true
	defer func() {
		if r := recover(); r != nil && r != any(unwound{}) {
			panic(r)
		}
	}()
	f.stop()
}

// A burst of tasks leaves idle fibers behind, at about 3 KB each. Fibers that were idle throughout
// a period were not needed by later bursts. A share of those is ended in the next period, down to
// keepIdle idle fibers. They are not all ended at once: ending a fiber takes as long as switching
// to it.
const (
	keepIdle   = 1024
	trimShare  = 4   // one in four
	trimAtOnce = 256 // fibers that one call of Trim ends at most
)

// A Pool holds idle fibers. The zero Pool is empty and ready.
type Pool[S any] struct {
	idle []*Fiber[S]

	unused  int // the smallest number of idle fibers since the period began
	surplus int // fibers still to be ended in this period
}

// Get returns a fiber that will run w when it is first resumed.
//
// It is tempting to have another thread make fibers ahead of a burst. That would take a goroutine
// that no run should have, and a fiber has the thread-lock state of its maker.
//
// It is tempting, too, to keep ended tasks in a free list, as fibers are kept here. But the caller
// of CreateTask may hold a task forever, and nothing shows when it lets go.
func (p *Pool[S]) Get(w Work[S]) *Fiber[S] {
	if len(p.idle) > 0 {
		f := p.pop()
		f.work = w
		return f
	}
	// Allocating 16 Fibers at once makes 100,000 sleepers 9% slower. One main for the whole pool, to
	// which the pool would pass the Fiber, saves an allocation and gains nothing.
	f := &Fiber[S]{pool: p, work: w}
	// It is tempting to call runtime.coroswitch by linkname and save iter.Pull's allocations and
	// checks. The linker refuses that outside of package iter.
	f.next, f.stop = iter.Pull(f.main())
	return f
}

// pop takes the fiber that became idle last, whose stack is warm.
func (p *Pool[S]) pop() *Fiber[S] {
	n := len(p.idle) - 1
	f := p.idle[n]
	p.idle[n] = nil
	p.idle = p.idle[:n]
	p.unused = min(p.unused, n)
	return f
}

// Len returns the number of idle fibers.
func (p *Pool[S]) Len() int { return len(p.idle) }

// IsLarge reports whether the pool has more idle fibers than a small program needs.
func (p *Pool[S]) IsLarge() bool { return p.Len() > keepIdle }

// BeginPeriod begins a period. The number of fibers that were idle throughout the last one
// determines how many Trim is to end in this one.
func (p *Pool[S]) BeginPeriod() {
	unused := min(p.unused, len(p.idle)-keepIdle)
	p.surplus = max(0, min(unused, max(unused/trimShare, keepIdle)))
	p.unused = len(p.idle)
}

// Trim ends some idle fibers and reports whether more are to be ended in this period.
func (p *Pool[S]) Trim() (more bool) {
	n := min(p.surplus, trimAtOnce, len(p.idle))
	p.surplus -= n
	p.shrink(len(p.idle) - n)
	return p.surplus > 0
}

// Release ends all idle fibers.
func (p *Pool[S]) Release() {
	p.shrink(0)
	p.idle, p.surplus = nil, 0
}

// shrink ends idle fibers until n are left.
func (p *Pool[S]) shrink(n int) {
	for len(p.idle) > n {
		p.pop().stop()
	}
}
