package conformance

import "context"

// queueOps are the statements about queues of all three kinds.
var queueOps = map[string]func(a *args) step{
	"put":        compilePut,
	"get":        compileGet,
	"put_nowait": compilePutNowait,
	"get_nowait": compileGetNowait,
	"task_done":  compileTaskDone,
	"join":       compileJoin,
	"shutdown":   compileShutdown,
}

type queue interface {
	Put(ctx context.Context, v any) error
	Get(ctx context.Context) (any, error)
	PutNowait(v any) error
	GetNowait() (any, error)
	TaskDone()
	Join(ctx context.Context) error
	Shutdown(immediate bool)
}

func compilePut(a *args) step {
	name, v := a.str(), a.value()
	return using(name, func(ctx context.Context, _ *frame, q queue) error {
		return misuse(errRuntime, func() error { return q.Put(ctx, v) })
	})
}

func compileGet(a *args) step {
	name := a.str()
	return using(name, func(ctx context.Context, f *frame, q queue) error {
		return f.got(ctx, name, func() (any, error) { return q.Get(ctx) })
	})
}

func compilePutNowait(a *args) step {
	name, v := a.str(), a.value()
	return using(name, func(_ context.Context, _ *frame, q queue) error {
		return misuse(errRuntime, func() error { return q.PutNowait(v) })
	})
}

func compileGetNowait(a *args) step {
	name := a.str()
	return using(name, func(ctx context.Context, f *frame, q queue) error {
		return f.got(ctx, name, q.GetNowait)
	})
}

func (r *run) got(ctx context.Context, name string, get func() (any, error)) error {
	var v any
	err := misuse(errRuntime, func() (err error) {
		v, err = get()
		return err
	})
	if err != nil {
		return err
	}
	return r.emit(ctx, "got ", name, " ", v)
}

func compileTaskDone(a *args) step {
	return using(a.str(), func(_ context.Context, _ *frame, q queue) error {
		return misuse(errValue, func() error {
			q.TaskDone()
			return nil
		})
	})
}

func compileJoin(a *args) step {
	return using(a.str(), func(ctx context.Context, _ *frame, q queue) error { return q.Join(ctx) })
}

func compileShutdown(a *args) step {
	name, immediate := a.str(), a.boolean()
	return using(name, func(_ context.Context, _ *frame, q queue) error {
		return misuse(errRuntime, func() error {
			q.Shutdown(immediate)
			return nil
		})
	})
}
