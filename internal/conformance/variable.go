package conformance

import (
	"context"

	"github.com/go-asyncio/asyncio"
)

// A variable is a task or a future in a scenario's table. A scenario has no types, and the future
// of a gather has another type than the rest; a variable gives them all the same methods.
type variable struct {
	asyncio.Waitable // the task or future itself

	aw           asyncio.Awaitable[any]
	result       func() (any, error)
	onDone       func(fn func())
	setResult    func(v any) error // nil, like setException, if CPython refuses the call
	setException func(err error) error
}

func taskVariable(t *asyncio.Task[any]) *variable {
	return &variable{
		Waitable: t,
		aw:       t,
		result:   t.Result,
		onDone:   func(fn func()) { t.AddDoneCallback(func(*asyncio.Task[any]) { fn() }) },
	}
}

func futureVariable(f *asyncio.Future[any]) *variable {
	return &variable{
		Waitable:     f,
		aw:           f,
		result:       f.Result,
		onDone:       func(fn func()) { f.AddDoneCallback(func(*asyncio.Future[any]) { fn() }) },
		setResult:    f.SetResult,
		setException: f.SetException,
	}
}

// gatherVariable returns a variable for the future of a gather. wrap makes a result of the future
// from the value of a set_result statement.
func gatherVariable[T any](f *asyncio.Future[T], wrap func(v any) T) *variable {
	return &variable{
		Waitable: f,
		aw:       asyncio.Any(f),
		result: func() (any, error) {
			v, err := f.Result()
			return v, err
		},
		onDone:       func(fn func()) { f.AddDoneCallback(func(*asyncio.Future[T]) { fn() }) },
		setResult:    func(v any) error { return f.SetResult(wrap(v)) },
		setException: f.SetException,
	}
}

// A whole is the only element of a gather's list of results if set_result has set the future to a
// value that is not such a list.
type whole struct{ value any }

// gather starts a gather of the references.
func (r *run) gather(ctx context.Context, refs []ref, returnExceptions bool) *variable {
	aws := make([]asyncio.Awaitable[any], len(refs))
	for i, ref := range refs {
		aws[i] = r.awaitable(ref, 0)
	}
	if returnExceptions {
		return gatherVariable(asyncio.GatherResults(ctx, aws...),
			func(v any) []asyncio.Result[any] { return []asyncio.Result[any]{{Value: whole{v}}} })
	}
	return gatherVariable(asyncio.Gather(ctx, aws...), func(v any) []any { return []any{whole{v}} })
}

// awaitable returns the awaitable that a reference stands for. depth applies to a coroutine that
// does not become a task; see run.coro.
func (r *run) awaitable(ref ref, depth int) asyncio.Awaitable[any] {
	if ref.coro {
		return r.coro(ref.name, depth)
	}
	return r.vars[ref.name].aw
}

// status returns the state of a task or future for the status and on_done statements.
func (v *variable) status() any {
	switch {
	case !v.Done():
		return "pending"
	case v.Cancelled():
		return "cancelled"
	}
	value, err := v.result()
	if err != nil {
		return err
	}
	return value
}
