package asyncio

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A Completion is the condition under which Wait returns.
type Completion int

const (
	AllCompleted   Completion = iota // all are done
	FirstCompleted                   // one is done
	FirstException                   // one has failed, or all are done
)

// A WaitOption is an option of Wait.
type WaitOption func(*waitOptions)

type waitOptions struct {
	timeout time.Duration
	until   Completion
}

// WithTimeout makes Wait return after d, even if its condition does not hold yet. It is
// asyncio's timeout.
func WithTimeout(d time.Duration) WaitOption { return func(o *waitOptions) { o.timeout = d } }

// ReturnWhen sets the condition under which Wait returns. The default is AllCompleted. It
// panics if c is none of the constants. It is asyncio's return_when.
func ReturnWhen(c Completion) WaitOption {
	if c < AllCompleted || c > FirstException {
		panic(fmt.Sprintf("asyncio: ReturnWhen of completion %d", c))
	}
	return func(o *waitOptions) { o.until = c }
}

// Wait suspends until all futures and tasks in ws are done, or until its options let it return
// earlier. It returns the ones that are done and the ones that are pending, in the order of ws
// and each once. It suspends for a turn even if all are done already. Wait cancels none of
// them, neither at a timeout, which is not an error, nor when Wait itself is cancelled. It
// returns ErrNothingToWait if ws is empty, and ErrForeignLoop if one of ws belongs to another
// loop. It is asyncio.wait.
func Wait[W Waitable](ctx context.Context, ws []W, opts ...WaitOption) (done, pending []W, err error) {
	t := running(ctx)
	if len(ws) == 0 {
		return nil, nil, ErrNothingToWait
	}
	o := waitOptions{timeout: Never}
	for _, opt := range opts {
		if opt == nil {
			panic("asyncio: nil WaitOption")
		}
		opt(&o)
	}
	ws = distinct(ws)
	if ofOtherLoop(t.loop, ws) {
		return nil, nil, ErrForeignLoop
	}
	c := newWaitScope(t, o.until, len(ws))
	defer c.leave()
	c.limit(o.timeout)
	for _, w := range ws {
		c.add(w.core())
	}
	if err := c.wait(ctx); err != nil {
		return nil, nil, err
	}
	for _, w := range ws {
		if w.Done() {
			done = append(done, w)
		} else {
			pending = append(pending, w)
		}
	}
	return done, pending, nil
}

// distinct returns ws without duplicates.
func distinct[W Waitable](ws []W) []W {
	seen := make(map[*future]bool, len(ws))
	var once []W
	for _, w := range ws {
		if !seen[w.core()] {
			seen[w.core()] = true
			once = append(once, w)
		}
	}
	return once
}

// ofOtherLoop reports whether one of ws belongs to a loop other than l.
func ofOtherLoop[W Waitable](l *Loop, ws []W) bool {
	return slices.ContainsFunc(ws, func(w W) bool { return w.core().loop != l })
}

// A waitScope wakes a task when enough of its futures are done.
type waitScope struct {
	task  *task
	until Completion
	left  int
	over  bool // the task was woken or has left
	nodes []waitScopeNode
	timer *TimerHandle
}

type waitScopeNode struct {
	node
	scope  *waitScope
	future *future
}

func newWaitScope(t *task, until Completion, n int) *waitScope {
	return &waitScope{task: t, until: until, left: n, nodes: make([]waitScopeNode, 0, n)}
}

// limit makes the scope wake the task after d at the latest.
func (c *waitScope) limit(d time.Duration) {
	if d != Never {
		c.timer = c.task.loop.CallLater(d, c.release)
	}
}

func (c *waitScope) add(f *future) {
	c.nodes = append(c.nodes, waitScopeNode{scope: c, future: f})
	n := &c.nodes[len(c.nodes)-1]
	n.node.run = n
	f.whenDone(&n.node)
}

func (n *waitScopeNode) run(*Loop) {
	c := n.scope
	c.left--
	if c.left <= 0 || c.until == FirstCompleted || c.until == FirstException && n.future.failed() != nil {
		c.release()
	}
}

func (c *waitScope) release() {
	if !c.over {
		c.over = true
		c.task.wake()
	}
}

func (c *waitScope) wait(ctx context.Context) error {
	return c.task.block(ctx, &wait{reason: waitFutures}, 0)
}

// leave removes the callbacks that have not run.
func (c *waitScope) leave() {
	c.over = true
	if c.timer != nil {
		c.timer.Cancel()
	}
	for i := range c.nodes {
		c.nodes[i].unlink()
	}
}
