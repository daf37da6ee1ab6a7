package conformance

import (
	"context"
	"slices"

	"github.com/go-asyncio/asyncio"
)

// waitOps are the statements that wait for several tasks, or in a particular way.
var waitOps = map[string]func(a *args) step{
	"gather":       compileGather,
	"gather_start": compileGatherStart,
	"wait":         compileWait,
	"wait_for":     compileWaitFor,
	"shield":       compileShield,
	"as_completed": compileAsCompleted,
}

func compileGather(a *args) step {
	refs, returnExceptions := a.refs(), a.boolean()
	return func(ctx context.Context, f *frame) error {
		v, err := f.gather(ctx, refs, returnExceptions).aw.Await(ctx)
		if err != nil {
			return err
		}
		return f.emit(ctx, "gather = ", v)
	}
}

func compileGatherStart(a *args) step {
	name, refs, returnExceptions := a.str(), a.refs(), a.boolean()
	return func(ctx context.Context, f *frame) error {
		f.put(name, f.gather(ctx, refs, returnExceptions))
		return nil
	}
}

var returnWhen = map[string]asyncio.WaitOption{
	"ALL":       asyncio.ReturnWhen(asyncio.AllCompleted),
	"FIRST":     asyncio.ReturnWhen(asyncio.FirstCompleted),
	"EXCEPTION": asyncio.ReturnWhen(asyncio.FirstException),
}

func compileWait(a *args) step {
	names, timeout, when := a.targets(), a.units(), a.str()
	option, ok := returnWhen[when]
	if !ok {
		a.fail("%q is not ALL, FIRST or EXCEPTION", when)
	}
	return func(ctx context.Context, f *frame) error {
		ws := make([]asyncio.Waitable, len(names))
		for i, name := range names {
			ws[i] = f.vars[name].Waitable
		}
		done, pending, err := asyncio.Wait(ctx, ws, asyncio.WithTimeout(delay(timeout)), option)
		if err != nil {
			return err
		}
		return f.emit(ctx, "wait done=", f.namesOf(done), " pending=", f.namesOf(pending))
	}
}

func (r *run) namesOf(ws []asyncio.Waitable) []string {
	names := make([]string, len(ws))
	for i, w := range ws {
		names[i] = r.names[w]
	}
	slices.Sort(names)
	return names
}

func compileWaitFor(a *args) step {
	ref, timeout := a.ref(), a.units()
	return func(ctx context.Context, f *frame) error {
		v, err := asyncio.WaitFor(ctx, f.awaitable(ref, f.depth+1), delay(timeout))
		if err != nil {
			return err
		}
		return f.emit(ctx, "wait_for ", ref.text, " = ", v)
	}
}

func compileShield(a *args) step {
	ref := a.ref()
	return func(ctx context.Context, f *frame) error {
		v, err := asyncio.Shield(ctx, f.awaitable(ref, 0)).Await(ctx)
		if err != nil {
			return err
		}
		return f.emit(ctx, "shield ", ref.text, " = ", v)
	}
}

func compileAsCompleted(a *args) step {
	refs, timeout := a.refs(), a.units()
	return func(ctx context.Context, f *frame) error {
		aws := f.ordered(ctx, refs)
		for aw, err := range asyncio.AsCompletedTimeout(ctx, delay(timeout), aws...) {
			var v any
			if err == nil {
				v, err = aw.Await(ctx)
			}
			if err == nil {
				err = f.emit(ctx, "completed ", v)
			}
			if err == nil {
				continue
			}
			if !isException(err) {
				return err
			}
			if err := f.emit(ctx, "completed with ", err); err != nil {
				return err
			}
			if classOf(err) == classTimeout {
				break
			}
		}
		return nil
	}
}

// ordered returns the awaitables for as_completed. CPython yields those that are done beforehand in
// no particular order, so ordered omits all of them but the first. If the first is listed twice,
// both entries stay.
func (r *run) ordered(ctx context.Context, refs []ref) []asyncio.Awaitable[any] {
	var vars, done []*variable
	for _, ref := range refs {
		v := r.vars[ref.name]
		if ref.coro {
			v = taskVariable(asyncio.CreateTask(ctx, r.coro(ref.name, 0)))
		}
		vars = append(vars, v)
		if v.Done() {
			done = append(done, v)
		}
	}
	var aws []asyncio.Awaitable[any]
	for _, v := range vars {
		if len(done) == 0 || !slices.Contains(done[1:], v) {
			aws = append(aws, v.aw)
		}
	}
	return aws
}
