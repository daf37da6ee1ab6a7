package fiber_test

import (
	"fmt"
	"iter"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio/internal/fiber"
	"github.com/go-asyncio/asyncio/internal/gid"
)

// state is the type of the value that the coroutines of these tests carry.
type state int

// work is a fiber.Work that knows its coroutine.
type work struct {
	c    *fiber.Fiber[state]
	body func(c *fiber.Fiber[state])

	goexits int
}

func (w *work) Run() { w.body(w.c) }

func (w *work) Next(*fiber.Fiber[state]) fiber.Work[state] { return nil }

func (w *work) OnGoexit() { w.goexits++ }

// start gets a coroutine for body, which does not begin until it is resumed.
func start(p *fiber.Pool[state], body func(c *fiber.Fiber[state])) *fiber.Fiber[state] {
	w := &work{body: body}
	w.c = p.Get(w)
	return w.c
}

// suspend suspends the coroutine c, and unwinds it if it is killed meanwhile.
func suspend(c *fiber.Fiber[state]) {
	for !c.Suspend() {
		if c.Interrupted() {
			fiber.Unwind()
		}
	}
}

// suspendForever is a body that only a kill ends.
func suspendForever(c *fiber.Fiber[state]) {
	for {
		suspend(c)
	}
}

// checkCoroutines checks that f leaves as many coroutines as there were before.
func checkCoroutines(t *testing.T, f func()) {
	t.Helper()
	want := coroutines()
	f()
	assert.Equal(t, want, coroutines(), "coroutines")
}

// coroutines returns the number of goroutines that iter.Pull has made. runtime.NumGoroutine is no use
// here: it counts the goroutines of earlier tests that are about to end and, while the garbage
// collector frees the stacks of dead goroutines, the dead ones, too.
func coroutines() (n int) {
	records := make([]runtime.StackRecord, 64)
	all, ok := runtime.GoroutineProfile(records)
	for !ok {
		records = make([]runtime.StackRecord, all+64)
		all, ok = runtime.GoroutineProfile(records)
	}
	for i := range records[:all] {
		for _, pc := range records[i].Stack() {
			if f := runtime.FuncForPC(pc); f != nil && f.Name() == "runtime.corostart" {
				n++
			}
		}
	}
	return n
}

// goexits calls f on a goroutine of its own and reports whether f called runtime.Goexit.
func goexits(f func()) bool {
	returned := false
	var wg sync.WaitGroup
	wg.Go(func() {
		f()
		returned = true
	})
	wg.Wait()
	return !returned
}

func TestResumeAndSuspendPassControlBackAndForth(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		var got []string
		c := start(&p, func(c *fiber.Fiber[state]) {
			got = append(got, "begin")
			suspend(c)
			got = append(got, "middle")
			suspend(c)
			got = append(got, "end")
		})
		for range 3 {
			got = append(got, "resume")
			c.Resume()
		}
		assert.Equal(t, []string{"resume", "begin", "resume", "middle", "resume", "end"}, got)
		p.Release()
	})
}

func TestWorkDoesNotBeginBeforeItIsResumed(t *testing.T) {
	var p fiber.Pool[state]
	begun := false
	c := start(&p, func(*fiber.Fiber[state]) { begun = true })
	assert.False(t, begun)
	c.Resume()
	assert.True(t, begun)
	p.Release()
}

// A task that starts another one eagerly resumes it from inside its own coroutine, and the loop may
// go on with either.
func TestCoroutineCanResumeAnother(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		var got []string
		var inner *fiber.Fiber[state]
		outer := start(&p, func(c *fiber.Fiber[state]) {
			inner = start(&p, func(c *fiber.Fiber[state]) {
				got = append(got, "inner begins")
				suspend(c)
				got = append(got, "inner ends")
			})
			inner.Resume()
			got = append(got, "outer goes on")
			suspend(c)
			got = append(got, "outer ends")
		})
		outer.Resume()
		got = append(got, "loop")
		inner.Resume()
		outer.Resume()
		assert.Equal(t, []string{"inner begins", "outer goes on", "loop", "inner ends", "outer ends"}, got)
		p.Release()
	})
}

func TestAFinishedCoroutineRunsTheNextWork(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		first := start(&p, func(*fiber.Fiber[state]) {})
		first.Resume()
		n := coroutines()
		for range 100 {
			ran := 0
			c := start(&p, func(c *fiber.Fiber[state]) {
				ran++
				suspend(c)
				ran++
			})
			assert.Same(t, first, c)
			assert.Zero(t, ran)
			c.Resume()
			c.Resume()
			assert.Equal(t, 2, ran)
			assert.Equal(t, n, coroutines(), "coroutines")
		}
		p.Release()
	})
}

func TestIdleCoroutineDoesNotKeepItsWorkAlive(t *testing.T) {
	var p fiber.Pool[state]
	big := new([1 << 20]byte)
	left := weak.Make(big)
	start(&p, func(*fiber.Fiber[state]) { big[0] = 1 }).Resume()
	runtime.GC()
	assert.Nil(t, left.Value())
	p.Release()
}

// The goroutines of a burst are kept for the next one. Once they are no longer used, the pool is
// trimmed in proportion, down to a bounded number of goroutines. Release leaves none.
func TestPoolIsTrimmed(t *testing.T) {
	const burst, kept, atOnce = 20_000, 1024, 256
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		before := coroutines()
		work := func(n int) {
			cs := make([]*fiber.Fiber[state], n)
			for i := range cs {
				cs[i] = start(&p, func(c *fiber.Fiber[state]) { suspend(c) })
				cs[i].Resume()
			}
			for _, c := range cs {
				c.Resume()
			}
		}
		assert.False(t, p.IsLarge())
		work(burst)
		assert.True(t, p.IsLarge())
		p.BeginPeriod()
		assert.False(t, p.Trim(), "all of it was in use in the period before")
		assert.Equal(t, before+burst, coroutines(), "coroutines")

		work(burst - 10)
		p.BeginPeriod()
		assert.False(t, p.Trim())
		assert.Equal(t, before+burst-10, coroutines(), "coroutines")

		p.BeginPeriod()
		assert.True(t, p.Trim())
		assert.Equal(t, before+burst-10-atOnce, coroutines(), "coroutines")
		for p.Trim() {
		}
		assert.Equal(t, before+burst-10-(burst-10-kept)/4, coroutines(), "coroutines")
		periods := 1
		for p.IsLarge() {
			p.BeginPeriod()
			for p.Trim() {
			}
			periods++
		}
		assert.Less(t, periods, 15)
		assert.Equal(t, before+kept, coroutines(), "coroutines")
		p.BeginPeriod()
		assert.False(t, p.Trim())
		p.Release()
		p.Release() // of an empty pool
	})
}

func TestReleasedPoolCanBeUsedAgain(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		for range 3 {
			ran := false
			start(&p, func(*fiber.Fiber[state]) { ran = true }).Resume()
			assert.True(t, ran)
			p.Release()
		}
	})
}

// Release ends only idle coroutines: suspended work can go on.
func TestReleaseLeavesSuspendedWorkAlone(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		ended := false
		c := start(&p, func(c *fiber.Fiber[state]) {
			suspend(c)
			ended = true
		})
		c.Resume()
		p.Release()
		c.Resume()
		assert.True(t, ended)
		p.Release()
	})
}

func TestKillRunsTheDeferredFunctionsAndNothingElse(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		var got []string
		c := start(&p, func(c *fiber.Fiber[state]) {
			defer func() {
				_ = recover() // Run must not panic
			}()
			defer func() { got = append(got, "first deferred") }()
			defer func() { got = append(got, "last deferred") }()
			suspend(c)
			got = append(got, "went on")
		})
		c.Resume()
		c.Kill()
		assert.Equal(t, []string{"last deferred", "first deferred"}, got)
	})
}

// A deferred function that suspends is unwound as well, and the other deferred functions still run.
func TestSuspendInAKilledCoroutineDoesNotReturn(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		var got []string
		c := start(&p, func(c *fiber.Fiber[state]) {
			defer func() { _ = recover() }()
			defer func() { got = append(got, "first") }()
			for range 3 {
				defer func() {
					got = append(got, "suspends")
					suspend(c)
					got = append(got, "went on")
				}()
			}
			suspend(c)
			got = append(got, "went on")
		})
		c.Resume()
		c.Kill()
		assert.Equal(t, []string{"suspends", "suspends", "suspends", "first"}, got)
	})
}

func TestWorkThatIsKilledBeforeItBeginsNeverRuns(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		for range 100 {
			c := start(&p, func(*fiber.Fiber[state]) { t.Error("it began") })
			c.Kill()
			c.Kill()
		}
		p.Release()
	})
}

func TestManySuspendedCoroutinesCanBeKilled(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		unwound := 0
		cs := make([]*fiber.Fiber[state], 10_000)
		for i := range cs {
			cs[i] = start(&p, func(c *fiber.Fiber[state]) {
				defer func() {
					unwound++
					_ = recover()
				}()
				suspendForever(c)
			})
			cs[i].Resume()
		}
		for _, c := range cs {
			c.Kill()
		}
		assert.Equal(t, len(cs), unwound)
		p.Release()
	})
}

func TestKilledCoroutineStaysDead(t *testing.T) {
	var p fiber.Pool[state]
	ended := 0
	c := start(&p, func(c *fiber.Fiber[state]) {
		defer func() {
			ended++
			_ = recover()
		}()
		suspendForever(c)
	})
	c.Resume()
	for range 3 {
		c.Kill()
		c.Resume()
	}
	assert.Equal(t, 1, ended)
	p.Release()
}

func TestGoexitGoesOnInTheCallerOfResume(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		var got []string
		var c *fiber.Fiber[state]
		assert.True(t, goexits(func() {
			c = start(&p, func(c *fiber.Fiber[state]) {
				defer func() { got = append(got, "deferred") }()
				suspend(c)
				runtime.Goexit()
			})
			c.Resume()
			got = append(got, "resume")
			c.Resume()
		}))
		assert.Equal(t, []string{"resume", "deferred"}, got)
		c.Resume() // it is dead, and this does nothing
		c.Kill()

		ran := false
		start(&p, func(*fiber.Fiber[state]) { ran = true }).Resume()
		assert.True(t, ran, "the pool serves others")
		p.Release()
	})
}

func TestWorkIsNotifiedOfAGoexitThatAPanicHidFromIt(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		w := &work{body: func(*fiber.Fiber[state]) {
			defer func() { _ = recover() }()
			defer panic("hides the Goexit")
			runtime.Goexit()
		}}
		assert.True(t, goexits(p.Get(w).Resume))
		assert.Equal(t, 1, w.goexits)

		w = &work{body: func(*fiber.Fiber[state]) {
			defer func() { _ = recover() }()
			panic("no Goexit")
		}}
		p.Get(w).Resume()
		assert.Zero(t, w.goexits)

		w = &work{}
		w.body = func(c *fiber.Fiber[state]) { suspend(c) }
		w.c = p.Get(w)
		w.c.Resume()
		w.c.Kill()
		assert.Zero(t, w.goexits, "killed")
		p.Release()
	})
}

// Goexit in a nested coroutine also ends the coroutine that resumed it.
func TestGoexitEndsTheCoroutinesBelowToo(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		var got []string
		assert.True(t, goexits(func() {
			start(&p, func(*fiber.Fiber[state]) {
				defer func() { got = append(got, "outer") }()
				start(&p, func(*fiber.Fiber[state]) {
					defer func() { got = append(got, "inner") }()
					runtime.Goexit()
				}).Resume()
				got = append(got, "outer went on")
			}).Resume()
		}))
		assert.Equal(t, []string{"inner", "outer"}, got)
		p.Release()
	})
}

func TestGoexitInADeferredFunctionOfKilledWorkLeavesNothing(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		var got []string
		c := start(&p, func(c *fiber.Fiber[state]) {
			defer func() {
				got = append(got, "first")
				_ = recover()
			}()
			defer runtime.Goexit()
			suspend(c)
		})
		c.Resume()
		goexits(c.Kill)
		assert.Equal(t, []string{"first"}, got)
		p.Release()
	})
}

// Run must not panic, but if it does, the panic must not go unnoticed.
func TestPanicGoesOnInTheCallerOfResume(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		c := start(&p, func(c *fiber.Fiber[state]) {
			suspend(c)
			panic("boom")
		})
		c.Resume()
		assert.PanicsWithValue(t, "boom", c.Resume)
		c.Resume()
		c.Kill()

		ran := false
		start(&p, func(*fiber.Fiber[state]) { ran = true }).Resume()
		assert.True(t, ran, "the pool serves others")
		p.Release()
	})
}

// A run may be locked to its thread, as one of a graphics library is.
func TestCoroutinesWorkOnALockedThread(t *testing.T) {
	checkCoroutines(t, func() {
		var wg sync.WaitGroup
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var p fiber.Pool[state]
			n := 0
			outer := start(&p, func(c *fiber.Fiber[state]) {
				inner := start(&p, func(c *fiber.Fiber[state]) {
					n++
					suspend(c)
					n++
				})
				inner.Resume()
				suspend(c)
				inner.Resume()
			})
			outer.Resume()
			outer.Resume()
			suspended := start(&p, func(c *fiber.Fiber[state]) {
				defer func() { _ = recover() }()
				suspend(c)
			})
			suspended.Resume()
			suspended.Kill()
			p.Release()
			assert.Equal(t, 2, n)
		})
		wg.Wait()
	})
}

// A pool need not stay on one goroutine, as long as only one uses it at a time: one run may go on
// with work that another has left suspended.
func TestCoroutineMayBeResumedByAnotherGoroutine(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		n := 0
		c := start(&p, func(c *fiber.Fiber[state]) {
			for {
				n++
				suspend(c)
				if n == 10 {
					return
				}
			}
		})
		for range 10 {
			var wg sync.WaitGroup
			wg.Go(c.Resume)
			wg.Wait()
		}
		c.Resume()
		assert.Equal(t, 10, n)
		p.Release()
	})
}

func TestSwitchesAndReuseAllocateNothing(t *testing.T) {
	var p fiber.Pool[state]
	c := start(&p, func(c *fiber.Fiber[state]) {
		defer func() { _ = recover() }()
		suspendForever(c)
	})
	assert.Zero(t, testing.AllocsPerRun(100, c.Resume), "Resume and Suspend")
	c.Kill()

	w := &work{body: func(*fiber.Fiber[state]) {}}
	run := func() {
		w.c = p.Get(w)
		w.c.Resume()
	}
	run()
	require.Zero(t, testing.AllocsPerRun(100, run), "Get of an idle coroutine")
	p.Release()
}

// One operation: control goes into a coroutine and comes out again.
func BenchmarkResumeSuspend(b *testing.B) {
	b.Run("coro", func(b *testing.B) {
		b.ReportAllocs()
		var p fiber.Pool[state]
		c := start(&p, func(c *fiber.Fiber[state]) {
			defer func() { _ = recover() }()
			suspendForever(c)
		})
		defer c.Kill()
		for range b.N {
			c.Resume()
		}
	})
	b.Run("iter.Pull", func(b *testing.B) {
		b.ReportAllocs()
		next, stop := iter.Pull(func(yield func(struct{}) bool) {
			for yield(struct{}{}) {
			}
		})
		defer stop()
		for range b.N {
			next()
		}
	})
	b.Run("channels", func(b *testing.B) {
		b.ReportAllocs()
		in, out := make(chan struct{}), make(chan struct{})
		go func() {
			for range in {
				out <- struct{}{}
			}
		}()
		defer close(in)
		for range b.N {
			in <- struct{}{}
			<-out
		}
	})
}

// One operation: work runs to its end.
func BenchmarkRun(b *testing.B) {
	b.Run("coro", func(b *testing.B) {
		b.ReportAllocs()
		var p fiber.Pool[state]
		defer p.Release()
		w := &work{body: func(*fiber.Fiber[state]) {}}
		for range b.N {
			p.Get(w).Resume()
		}
	})
	b.Run("iter.Pull", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			next, stop := iter.Pull(func(func(struct{}) bool) {})
			next()
			stop()
		}
	})
	b.Run("goroutine", func(b *testing.B) {
		b.ReportAllocs()
		var wg sync.WaitGroup
		for range b.N {
			wg.Go(func() {})
			wg.Wait()
		}
	})
}

// One operation: work begins, suspends, and is killed.
func BenchmarkKill(b *testing.B) {
	b.Run("coro", func(b *testing.B) {
		b.ReportAllocs()
		var p fiber.Pool[state]
		for range b.N {
			c := start(&p, func(c *fiber.Fiber[state]) {
				defer func() { _ = recover() }()
				suspend(c)
			})
			c.Resume()
			c.Kill()
		}
	})
	b.Run("iter.Pull", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			next, stop := iter.Pull(func(yield func(struct{}) bool) { yield(struct{}{}) })
			next()
			stop()
		}
	})
}

func TestAProbeRunsOnTheStackOfTheSuspendedWork(t *testing.T) {
	var p fiber.Pool[state]
	var steps []string
	c := start(&p, func(c *fiber.Fiber[state]) {
		for i := range 2 {
			suspend(c)
			steps = append(steps, fmt.Sprint("step ", i))
		}
	})
	c.Resume()
	var g uintptr
	for range 3 {
		c.Probe(func() {
			g = gid.G()
			steps = append(steps, "probe")
		})
	}
	assert.True(t, c.Is(g))
	c.Resume()
	c.Probe(func() { steps = append(steps, "probe") })
	c.Resume()
	assert.Equal(t, []string{"probe", "probe", "probe", "step 0", "probe", "step 1"}, steps)
	p.Release()
}

func TestAProbeRunsOnTheStacksOfTheCalledWorkAndItsCallers(t *testing.T) {
	var p fiber.Pool[state]
	var outer, middle, inner *fiber.Fiber[state]
	var goroutines, steps []any
	note := func(list *[]any, what any) { *list = append(*list, what) }
	inner = start(&p, func(c *fiber.Fiber[state]) {
		note(&goroutines, gid.G())
		for i := range 2 {
			suspend(outer)
			note(&steps, i)
		}
		suspend(c)
		note(&steps, "inner ends")
	})
	middle = start(&p, func(*fiber.Fiber[state]) {
		outer.Call(inner)
		note(&goroutines, gid.G())
		suspend(outer)
		outer.Call(inner)
	})
	outer = start(&p, func(c *fiber.Fiber[state]) {
		c.Call(middle)
		note(&goroutines, gid.G())
		suspend(c)
	})
	probe := func() (gs []any) {
		outer.Probe(func() { note(&gs, gid.G()) })
		return gs
	}
	outer.Resume()
	first, again := probe(), probe()
	outer.Resume()
	later := probe()
	outer.Resume()
	inMiddle := probe()
	outer.Resume()
	inOuter := probe()
	outer.Resume()
	require.Len(t, goroutines, 3)
	assert.Equal(t, goroutines, first)
	assert.Equal(t, goroutines, again)
	assert.Equal(t, goroutines, later)
	assert.Equal(t, goroutines[1:], inMiddle)
	assert.Equal(t, goroutines[2:], inOuter)
	assert.Equal(t, []any{0, 1, "inner ends"}, steps)
	p.Release()
}

func TestWorkThatWasProbedCanBeKilled(t *testing.T) {
	checkCoroutines(t, func() {
		var p fiber.Pool[state]
		unwound := false
		c := start(&p, func(c *fiber.Fiber[state]) {
			defer func() { unwound = true }()
			suspendForever(c)
		})
		c.Resume()
		c.Probe(func() {})
		c.Kill()
		assert.True(t, unwound)
	})
}

// The work of the called fiber may suspend the calling one, and may be called by another next time.
func TestCalledWorkIsPartOfTheCallersWork(t *testing.T) {
	var p fiber.Pool[state]
	var got []string
	var outer *fiber.Fiber[state]
	inner := start(&p, func(c *fiber.Fiber[state]) {
		got = append(got, "inner begins")
		assert.True(t, outer.Is(gid.G()))
		suspend(outer)
		got = append(got, "inner goes on")
		suspend(c)
		got = append(got, "inner ends")
		assert.True(t, outer.Is(gid.G()))
	})
	call := func(c *fiber.Fiber[state]) {
		assert.True(t, c.Is(gid.G()))
		c.Call(inner)
		assert.True(t, c.Is(gid.G()))
		got = append(got, "outer goes on")
	}
	outer = start(&p, call)
	outer.Resume()
	got = append(got, "loop")
	outer.Resume()
	outer = start(&p, call)
	outer.Resume()
	assert.Equal(t, []string{"inner begins", "loop", "inner goes on", "outer goes on", "inner ends", "outer goes on"}, got)
	p.Release()
}
