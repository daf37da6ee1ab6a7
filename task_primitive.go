package asyncio

// This file is about what is known of a primitive besides its state: its name, and in a loop that is
// inspected the tasks that hold it.

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
)

// notRecording is zero, minus the number of running loops that record which tasks hold their locks
// and semaphores. It is global, since a lock that nobody waits for knows no loop. It is negative, so
// that one comparison with the number of waiting tasks sends Lock.Acquire to its slow path; and it
// is no atomic.Int32, whose methods would make Acquire too large to be inlined.
var notRecording int32

// A primitive is the name and the holders of a primitive that has a name or was acquired in a loop
// that records holders.
type primitive struct {
	name    string
	holders []holder // of a Lock or a Semaphore, in the order in which they acquired it, as many as maxHolders
	others  int      // the number of holders beyond these
	queue   any      // the Queue whose getters or putters wait here, if it has a name or is listed
	listed  bool     // the queue is in the list of a recorder
}

// maxHolders is the number of holders that are recorded. A semaphore may have any number, and some
// are never released.
const maxHolders = 100

// A holder is a task that has acquired a primitive.
type holder struct {
	task *task
	pcs  [8]uintptr // the call stack at Acquire
	n    int
}

// details returns the primitive that q belongs to.
func (q *waitq) details() *primitive {
	if q.primitive == nil {
		q.primitive = &primitive{}
	}
	return q.primitive
}

// recording reports whether a running loop records holders.
func recording() bool { return atomic.LoadInt32(&notRecording) != 0 }

// acquired records that the running task of the loop of ctx has acquired the primitive. Callers ask
// recording first, which is inlined.
func (q *waitq) acquired(ctx context.Context) {
	l := loopOf(ctx)
	if l == nil || l.recorder == nil || l.current == nil {
		return
	}
	p := q.details()
	if len(p.holders) == maxHolders {
		p.others++
		return
	}
	h := holder{task: l.current}
	h.n = runtime.Callers(2, h.pcs[:])
	p.holders = append(p.holders, h)
}

// released records that the primitive was released once, if it has a name or recorded holders.
func (q *waitq) released() {
	if q.primitive != nil {
		q.primitive.released()
	}
}

// released removes a holder. If the running task is among the holders, it is taken for the one that
// releases. Otherwise that is one that was not recorded, or the first.
func (p *primitive) released() {
	i := slices.IndexFunc(p.holders, func(h holder) bool { return h.task == h.task.loop.current })
	switch {
	case i < 0 && p.others > 0:
		p.others--
	case len(p.holders) > 0:
		i = max(i, 0)
		p.holders = slices.Delete(p.holders, i, i+1)
	}
}

// maxNamed is the number of holders that a description names.
const maxNamed = 3

// describe returns the reason of a wait in q, with the name of the primitive and its holders.
func (q *waitq) describe(reason waitReason) string {
	if q == nil || q.primitive == nil {
		return reason.String()
	}
	var b strings.Builder
	p := q.primitive
	b.WriteString(q.label(reason))
	for i, h := range p.holders {
		if i == maxNamed {
			fmt.Fprintf(&b, " and %d others", len(p.holders)-i+p.others)
			break
		}
		b.WriteString([]string{", held by ", " and "}[min(i, 1)])
		fmt.Fprintf(&b, "%s", h.task.Name())
		if f := h.caller(); f.File != "" {
			fmt.Fprintf(&b, " since %s:%d", path.Base(f.File), f.Line)
		}
	}
	return b.String()
}

// label returns the reason of a wait in q, with the name of the primitive.
func (q *waitq) label(reason waitReason) string {
	if q == nil || q.primitive == nil || q.primitive.name == "" {
		return reason.String()
	}
	return fmt.Sprintf("%s %q", strings.Replace(reason.String(), " a ", " ", 1), q.primitive.name)
}

// caller returns the frame that called Acquire or With.
func (h *holder) caller() Frame {
	frames := runtime.CallersFrames(h.pcs[:h.n])
	for f, more := frames.Next(); ; f, more = frames.Next() {
		if !isOwn(f) || !more {
			return frameOf(f)
		}
	}
}
