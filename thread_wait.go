package asyncio

// This file is about functions of ToThread that wait for the loop. Virtual time may move on meanwhile,
// as it must not while they run.

import (
	"context"
	"slices"

	"github.com/go-asyncio/asyncio/internal/gid"
)

// A threadWait is a call in which a function of ToThread waits for the loop. Virtual time may
// move on meanwhile.
type threadWait struct {
	thread *threadContext
	ctx    context.Context // ends the wait when it is done
	future failer          // the ConcurrentFuture that the function waits for, or nil
}

// beginWait records that the function of c begins to wait for f. It returns nil if f or ctx is
// done.
func (th *threads) beginWait(c *threadContext, ctx context.Context, f failer) *threadWait {
	th.mu.Lock()
	defer th.mu.Unlock()
	if !th.futures[f] || ctx.Err() != nil {
		return nil
	}
	w := &threadWait{c, ctx, f}
	c.waits = append(c.waits, w)
	c.loop.posted.nudge()
	return w
}

// postForeignCall posts c. If the calling goroutine runs a function of ToThread in virtual time, it
// records that the function waits for c. It does both under mu, so at any instant either virtual
// time stands still for the function or c is posted.
func (th *threads) postForeignCall(c *foreignCall) error {
	if !c.loop.virtual {
		return c.loop.post(c)
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	if c.state.Load() == callAbandoned { // the loop is closing
		return nil
	}
	g := gid.G()
	if i := slices.IndexFunc(th.calls, func(c *threadContext) bool { return c.goroutine.Load() == g }); i >= 0 {
		c.wait = &threadWait{th.calls[i], context.Background(), nil}
		c.wait.thread.waits = append(c.wait.thread.waits, c.wait)
	}
	return c.loop.post(c)
}

// endForeignCall records that the function that waits for c goes on, if there is one.
func (th *threads) endForeignCall(c *foreignCall) {
	th.mu.Lock()
	w := c.wait
	th.mu.Unlock()
	th.endWait(w)
}

// endWait records that a function goes on, unless endFuture has done so already. w may be nil.
func (th *threads) endWait(w *threadWait) {
	if w == nil {
		return
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	if i := slices.Index(w.thread.waits, w); i >= 0 {
		w.thread.waits = slices.Delete(w.thread.waits, i, i+1)
		th.goesOn(w.thread)
	}
}
