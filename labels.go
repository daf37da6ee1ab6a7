package asyncio

// This file is about profiler labels, those of package runtime/pprof. They belong to a
// goroutine, which inherits them from its maker, and tasks take turns on the goroutines of a
// pool. So that a task has the labels of the context that CreateTask was given, and none that
// another has left behind, they would have to be set before each first step. That would make
// up 5% of the cost of a task. It is left out until a loop sees that labels are used: package
// pprof asks a context for its labels before it adds to them or sets them. That is not seen of
// labels that a task sets and has made from a context of no loop's, such as Background.

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

// setLabels gives the goroutine of t, which has not begun, the labels of its context.
func (t *task) setLabels() {
	if t.loop.labelled.Load() {
		pprof.SetGoroutineLabels(t.Context)
	}
}
