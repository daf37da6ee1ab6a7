package conformance

import (
	"context"
	"slices"

	"github.com/go-asyncio/asyncio"
)

// taskOps are the statements about tasks.
var taskOps = map[string]func(a *args) step{
	"sleep":      compileSleep,
	"spawn":      compileSpawn,
	"eager":      compileEager,
	"cancel":     compileCancel,
	"uncancel":   compileUncancel,
	"cancelling": compileCancelling,
	"all_tasks":  compileAllTasks,
}

func compileSleep(a *args) step {
	n := a.integer()
	return func(ctx context.Context, _ *frame) error { return asyncio.Sleep(ctx, delay(&n)) }
}

func compileSpawn(a *args) step {
	name, coro := a.str(), a.str()
	return func(ctx context.Context, f *frame) error {
		f.put(name, taskVariable(asyncio.CreateTask(ctx, f.coro(coro, 0), asyncio.WithName(name))))
		return nil
	}
}

// compileEager creates a task that begins at once, on top of the current one. Its name is entered
// in the table only after its first step.
func compileEager(a *args) step {
	name, coro := a.str(), a.str()
	return func(ctx context.Context, f *frame) error {
		f.put(name, taskVariable(asyncio.CreateTask(ctx, f.coro(coro, f.depth+1),
			asyncio.WithName(name), asyncio.WithEagerStart())))
		return nil
	}
}

func compileCancel(a *args) step {
	name, msg := a.target(), a.optStr()
	return func(ctx context.Context, f *frame) error {
		return f.emit(ctx, "cancel ", name, " ", f.vars[name].CancelCause(cause(msg)))
	}
}

func compileUncancel(*args) step {
	return func(ctx context.Context, f *frame) error {
		return f.emit(ctx, "uncancel ", asyncio.CurrentTask(ctx).Uncancel())
	}
}

func compileCancelling(*args) step {
	return func(ctx context.Context, f *frame) error {
		return f.emit(ctx, "cancelling ", asyncio.CurrentTask(ctx).Cancelling())
	}
}

func compileAllTasks(*args) step {
	return func(ctx context.Context, f *frame) error {
		var names []string
		for _, t := range asyncio.RunningLoop(ctx).AllTasks() {
			names = append(names, who(t))
		}
		slices.Sort(names)
		return f.emit(ctx, "all_tasks ", names)
	}
}
