package asyncio

// This file is asyncio's asynchronous generators: sequences whose bodies suspend, and from which
// tasks take one value at a time. The body of a generator runs on a fiber of the loop's pool, as a
// part of the task that calls Next. When it awaits, it suspends that task; see fiber.Call.

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"runtime/debug"

	"github.com/go-asyncio/asyncio/internal/fiber"
)

// A Generator hands out the values of a sequence one at a time, to any task of its loop. Make it
// with Pull. It is asyncio's asynchronous generator.
//
// The body of the sequence runs in the task that calls Next or Close: CurrentTask returns that task,
// and a cancellation of that task arrives where the body waits.
//
// Whoever does not read a generator to its end closes it. The run closes the generators that are
// left at its end, and the loop closes those that nothing refers to any more, some time later.
type Generator[T any] struct{ pulled *pulledValues[T] }

// pulledValues is a Generator without the handle that the program holds. The body, which is
// suspended on a goroutine, refers to it and not to the handle, so that the handle can become
// garbage.
type pulledValues[T any] struct {
	generator
	value T
}

// A generator is the part of a Generator that does not depend on its type.
type generator struct {
	node    // in the loop's list from the first step to the end
	loop    *Loop
	body    func()          // runs the sequence, whose yield calls generator.yield
	fiber   *taskFiber      // nil before the first step and after the end
	cleanup runtime.Cleanup // of the handle
	closing *Task[None]     // closes a generator whose handle is garbage; nil otherwise

	running   bool  // a task is in Next or Close
	exiting   bool  // yield has returned false, or is to do so: the body must return
	killed    bool  // the loop is closing
	ended     bool  // the body has returned, or is never to begin
	delivered int32 // of the task, when exiting was set
	err       error // the error that the body has yielded, or of its panic
}

// Pull returns a generator of the values of seq. Its body begins in the first call of Next. Pull
// does not suspend.
//
// A task that takes all the values needs no generator. It ranges over seq, which costs nothing and
// runs the deferred functions of the body however the loop ends. A generator is for values that are
// taken in several places or by several tasks. It is what an asynchronous generator function of
// Python returns.
func Pull[T any](ctx context.Context, seq iter.Seq2[T, error]) *Generator[T] {
	if seq == nil {
		panic("asyncio: nil sequence")
	}
	p := &pulledValues[T]{generator: generator{loop: RunningLoop(ctx)}}
	p.node.run = &p.generator
	p.body = func() {
		seq(func(v T, err error) bool {
			if err == nil {
				p.value = v
			}
			return p.yield(err)
		})
	}
	g := &Generator[T]{p}
	p.cleanup = runtime.AddCleanup(g, func(p *generator) { p.loop.postQuietly((*droppedGenerator)(p)) }, &p.generator)
	return g
}

// Next returns the next value, or io.EOF when the body has returned. It suspends when the body
// does.
//
// If the body yields an error, Next returns it, and the generator ends, as one that raises an
// exception does in Python: yield returns false, and Next returns when the body has. If the body
// panics, Next returns a *PanicError. A context derived in the task limits Next as it limits any
// other call, whatever context the body waits with.
//
// Next returns ErrGeneratorRunning while a call of Next or Close goes on, and ErrForeignLoop to a
// task of another loop. It is asyncio's anext.
func (g *Generator[T]) Next(ctx context.Context) (v T, err error) {
	defer runtime.KeepAlive(g)
	p := g.made()
	if err := p.step(ctx, false); err != nil {
		return v, err
	}
	v, p.value = p.value, v
	return v, nil
}

// Close ends the generator: the yield at which the body is suspended returns false, and Close
// returns when the body has. It suspends when the body does. A body that has not begun never
// begins. Close does nothing if the generator has ended.
//
// If the body panics, Close returns a *PanicError. If the body yields again, the yield panics, and
// Close returns an error. A body has no way to return the cancellation of a wait to Close. So if
// the task is cancelled meanwhile, Close returns ErrCancelled. It returns ErrGeneratorRunning and
// ErrForeignLoop as Next does. It is asyncio's aclose.
func (g *Generator[T]) Close(ctx context.Context) error {
	defer runtime.KeepAlive(g)
	return g.made().close(ctx)
}

func (g *Generator[T]) made() *pulledValues[T] {
	if g.pulled == nil {
		panic("asyncio: Generator was not made by Pull")
	}
	return g.pulled
}

func (g *generator) close(ctx context.Context) error {
	if err := g.step(ctx, true); err != io.EOF {
		return err
	}
	return nil
}

// step runs the body until it yields a value or, if it is to exit, returns. It returns the error of
// the body, or io.EOF if the body has returned without one.
func (g *generator) step(ctx context.Context, exit bool) (err error) {
	t := running(ctx)
	switch {
	case g.loop != t.loop:
		return ErrForeignLoop
	case g.running:
		return ErrGeneratorRunning
	case g.fiber == nil && (exit || g.ended):
		g.end()
		return io.EOF
	}
	if limit := watchedBy(ctx); limit != nil {
		defer newContextScope(t, limit).exit(&err)
	}
	if g.fiber == nil {
		g.fiber = g.loop.fibers.Get(g)
		g.loop.generators.push(&g.node)
	}
	if exit {
		g.exit()
	}
	g.running = true
	defer func() { g.running = false }() // deferred for runtime.Goexit
	t.fiber.Call(g.fiber)
	if !g.ended {
		return nil
	}
	return g.outcome(t)
}

// exit makes yield return false from now on.
func (g *generator) exit() { g.exiting, g.delivered = true, g.loop.current.delivered() }

// outcome returns the error of a body that has just ended in t. If t was cancelled while the body
// was exiting, the body could not say so, and outcome says it.
func (g *generator) outcome(t *task) error {
	err := g.err
	g.err = nil
	switch {
	case g.exiting && t.delivered() > g.delivered && !isCancelled(err):
		return newCancelled(err)
	case err == nil:
		return io.EOF
	default:
		return err
	}
}

// errExitIgnored is the error of a body that yields though yield has returned false.
var errExitIgnored = errors.New("asyncio: generator yielded again after yield had returned false")

// yield is called by the body. It hands over the value in place, and suspends the body until the
// next step.
func (g *generator) yield(err error) bool {
	g.loop.check()
	switch {
	case g.exiting, g.ended:
		panic(errExitIgnored)
	case g.loop.current.unwinding != notUnwinding:
		g.loop.current.unwind()
	case err != nil:
		g.err = err
		g.exit()
		return false
	}
	if !g.fiber.Suspend() {
		g.killed = true
		g.exit()
	}
	g.loop.setLabels((*taskContext)(g.loop.current))
	return !g.exiting
}

// Run runs the body. It is for package fiber, as are Next and OnGoexit.
func (g *generator) Run() {
	defer func() {
		if r := recover(); r == errExitIgnored {
			g.err = errors.Join(g.err, errExitIgnored)
		} else if r != nil {
			g.err = &PanicError{r, debug.Stack()}
		}
		g.end()
		if g.killed {
			fiber.Unwind() // the pool must not get the fiber back
		}
	}()
	g.loop.setLabels((*taskContext)(g.loop.current))
	g.body()
}

func (g *generator) Next(*taskFiber) fiber.Work[suspension] { return nil }

func (g *generator) OnGoexit() { g.end() }

func (g *generator) end() {
	g.ended, g.fiber, g.body = true, nil, nil
	g.unlink()
	g.cleanup.Stop()
}

// run ends a suspended generator whose loop is closing. Its yield returns false, and the body is
// unwound where it waits.
func (g *generator) run(l *Loop) {
	t := &Task[None]{task: task{Context: context.Background(), fiber: g.fiber, unwinding: killed}}
	t.task.loop, t.task.behavior = l, t
	t.task.name.Store(new("end of a generator"))
	l.current = &t.task
	g.fiber.Kill()
	l.current = nil
	if g.err != nil {
		l.report(ExceptionContext{Message: "error of a generator that was abandoned", Err: g.err})
	}
}

func (g *generator) describe() string { return "generator" }

// ShutdownAsyncgens closes the generators that have begun and have not ended, each in a task of its
// own, and suspends until they have ended. It reports their errors to the exception handler. Run
// and Runner.Close do this when all other tasks have ended. It is asyncio's shutdown_asyncgens.
func (l *Loop) ShutdownAsyncgens(ctx context.Context) error {
	l.check()
	var closing []Awaitable[None]
	for n := l.generators.head; n != nil; n = n.next {
		if g := n.run.(*generator); g.closing != nil && !g.closing.Done() {
			closing = append(closing, g.closing)
		} else {
			closing = append(closing, Do(g.close))
		}
	}
	if len(closing) == 0 {
		return nil
	}
	results, err := GatherResults(ctx, closing...).Await(ctx)
	for _, r := range results {
		if r.Err != nil && !isCancelled(r.Err) {
			l.report(ExceptionContext{Message: "an error occurred during closing of a generator", Err: r.Err})
		}
	}
	return err
}

// A droppedGenerator is a generator whose handle is garbage, as an entry of the ready queue.
type droppedGenerator generator

func (d *droppedGenerator) run(l *Loop) {
	g := (*generator)(d)
	if g.list == nil {
		return
	}
	g.closing = CreateTask(l.Context(context.Background()), Do(func(ctx context.Context) error {
		if g.running { // ShutdownAsyncgens closes it: without a handle nothing else can
			return nil
		}
		return g.close(ctx)
	}), WithName("close of a generator"))
}

// A contextScope cancels a task when a context is done, as a TimeoutScope does when time is up.
type contextScope struct {
	node    // in the loop's list of watches
	task    *task
	ctx     context.Context
	cancels int32 // of the task, on entry
	fired   bool
	stop    func() bool
}

func newContextScope(t *task, ctx context.Context) *contextScope {
	s := &contextScope{task: t, ctx: ctx, cancels: t.cancels}
	s.node.run = s
	s.stop = context.AfterFunc(ctx, t.loop.lookAtWatches)
	t.loop.watches.push(&s.node)
	if ctx.Err() != nil {
		s.run(t.loop)
	}
	return s
}

func (s *contextScope) run(l *Loop) {
	defer l.failOnPanic() // a method of the context may panic
	if s.list != nil && s.ctx.Err() != nil {
		s.unlink()
		s.fired = true
		s.task.cancel(contextCause(s.ctx))
	}
}

// mayExpire reports whether the deadline of the context can still cancel the task.
func (s *contextScope) mayExpire() bool {
	_, ok := s.ctx.Deadline()
	return ok
}

// exit ends the scope. See TimeoutScope.exit.
func (s *contextScope) exit(err *error) {
	s.stop()
	s.unlink()
	if s.fired && int32(s.task.uncancel()) <= s.cancels && cancellationIn(*err) != none {
		*err = contextError(s.ctx)
	}
}
