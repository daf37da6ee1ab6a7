package asyncio

// This file is about the profiler labels of package runtime/pprof. Labels belong to a goroutine,
// which inherits them from its maker, and tasks take turns on the goroutines of a pool. For a task
// to have the labels of the context given to CreateTask, and none that another task has left
// behind, they have to be set before each first step. That would make up 5% of the cost of a task.
// The loop leaves it out until it sees that labels are used: package pprof asks a context for its
// labels before it adds to them or sets them. The loop does not see labels that a task makes from a
// context that does not descend from its own, and never takes back.

import (
	"context"
	"runtime/pprof"
)

// labelKey is the key with which package pprof asks a context for its labels.
var labelKey = func() any {
	var asked keyRecorder
	pprof.Label(&asked, "")
	return asked.key
}()

// A keyRecorder is a context that keeps the last key that it was asked for.
type keyRecorder struct {
	context.Context
	key any
}

func (r *keyRecorder) Value(key any) any {
	r.key = key
	return nil
}

// WithTaskLabels gives each task the profiler label "task" with the name that the task has when its first
// step begins, besides the labels of its context. Functions that the task starts with ToThread have it,
// too. So a profile can be filtered by tasks:
//
//	go tool pprof -tagfocus=task=checkout profile
//
// It makes creating a task slower.
func WithTaskLabels() LoopOption { return loopSetting(func(c *config) { c.taskLabels = true }) }

// labels returns the labels of the context of t with the name of t, as that context returns its own.
func (t *task) labels() any {
	return pprof.WithLabels(t.Context, pprof.Labels("task", t.Name())).Value(labelKey)
}

// setLabels gives the labels of ctx to the calling goroutine, which is a fiber's or runs a function
// of ToThread.
func (l *Loop) setLabels(ctx context.Context) {
	if l.labelled.Load() {
		pprof.SetGoroutineLabels(ctx)
	}
}
