package main

import (
	"context"
	"errors"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// An event is what handlers and waiters get. In Python it is a dict of keyword arguments.
type event struct {
	name   string
	nick   string
	params []string
}

// A handler handles an event. Its result goes to the one who triggered the event.
type handler = func(ctx context.Context, e event) (string, error)

// Events calls handlers, and resumes the tasks that wait, when an event is triggered.
type events struct {
	handlers map[string][]handler
	futures  map[string]*asyncio.Future[event]
}

func newEvents() events {
	return events{make(map[string][]handler), make(map[string]*asyncio.Future[event])}
}

func normalize(name string) string { return strings.ToUpper(strings.TrimSpace(name)) }

// on adds a handler.
func (h *events) on(name string, fn handler) {
	name = normalize(name)
	h.handlers[name] = append(h.handlers[name], fn)
}

// future returns the future of the next event of a name.
func (h *events) future(loop *asyncio.Loop, name string) *asyncio.Future[event] {
	f := h.futures[name]
	if f == nil {
		f = asyncio.NewFuture[event](loop)
		h.futures[name] = f
	}
	return f
}

// trigger calls the handlers of an event, each in a task. The task that it returns ends when they
// have returned.
func (h *events) trigger(ctx context.Context, e event) *asyncio.Task[[]asyncio.Result[string]] {
	e.name = normalize(e.name)
	var tasks []*asyncio.Task[string]
	for _, fn := range h.handlers[e.name] {
		tasks = append(tasks, asyncio.CreateTask(ctx, asyncio.Bind(fn, e)))
	}
	asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
		// A task that begins to wait in this turn sees the event, too.
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		f := h.future(asyncio.RunningLoop(ctx), e.name)
		if f.Done() {
			return errors.New("somebody who waited for " + e.name + " was cancelled")
		}
		delete(h.futures, e.name)
		return f.SetResult(e)
	}))
	return asyncio.CreateTask(ctx, func(ctx context.Context) ([]asyncio.Result[string], error) {
		return asyncio.GatherResults(ctx, tasks...).Await(ctx)
	})
}

// wait waits for an event.
func (h *events) wait(ctx context.Context, name string) (event, error) {
	return h.future(asyncio.RunningLoop(ctx), normalize(name)).Await(ctx)
}

// waitFor waits for the first of several events, or for all, and returns those that have come. As in
// the original, the futures of the other events end as cancelled.
func (h *events) waitFor(ctx context.Context, until asyncio.Completion, names ...string) ([]event, error) {
	var tasks []*asyncio.Task[event]
	for _, name := range names {
		tasks = append(tasks, asyncio.CreateTask(ctx, asyncio.Bind(h.wait, name)))
	}
	done, pending, err := asyncio.Wait(ctx, tasks, asyncio.ReturnWhen(until))
	if err != nil {
		return nil, err
	}
	var come []event
	for _, task := range done {
		e, err := task.Result()
		if err != nil {
			return nil, err
		}
		come = append(come, e)
	}
	for _, task := range pending {
		task.Cancel()
	}
	return come, nil
}
