package asyncio

// This file is about profiler labels, those of package runtime/pprof. They belong to a
// goroutine, which inherits them from its maker, and tasks take turns on the goroutines of a
// pool. So that a task has the labels of the context that CreateTask was given, and none that
// another has left behind, they have to be set before each first step. That would make up 5%
// of the cost of a task. It is left out until a loop sees that labels are used: package pprof
// asks a context for its labels before it adds to them or sets them. Labels that a task makes
// from a context that does not descend from its own, and never takes back, are not seen.

import (
	"context"
	"runtime/pprof"
)

// labelKey is the key by which package pprof asks a context for its labels.
var labelKey = func() any {
	var asked keyRecorder
	pprof.Label(&asked, "")
	return asked.key
}()

// keyRecorder is a context that keeps the last key that it was asked for.
type keyRecorder struct {
	context.Context
	key any
}

func (r *keyRecorder) Value(key any) any {
	r.key = key
	return nil
}

// setLabels gives the calling goroutine, which is a coroutine's or that of a function of ToThread,
// the labels of ctx.
func (l *Loop) setLabels(ctx context.Context) {
	if l.labelled.Load() {
		pprof.SetGoroutineLabels(ctx)
	}
}
