package asyncio

import (
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
)

// An ExceptionContext describes an event to the exception handler.
type ExceptionContext struct {
	Message string // such as "task exception was never retrieved"
	Err     error  // nil if there is none
	Task    string // the name of the task concerned, or "" if there is none

	// Extra holds further values that a handler may want to inspect or to log. A panic of a
	// protocol comes with "transport" and "protocol", as in asyncio. A library may pass others to
	// CallExceptionHandler.
	Extra map[string]any
}

// SetExceptionHandler sets the function that the loop calls, on its goroutine, with errors that
// have nowhere else to go. With nil they are logged. A handler may pass on the errors that it does
// not handle, to the handler that GetExceptionHandler returned before or to
// DefaultExceptionHandler. It is asyncio's set_exception_handler.
func (l *Loop) SetExceptionHandler(handler func(*Loop, ExceptionContext)) {
	l.check()
	l.handler = handler
}

// GetExceptionHandler returns the exception handler, or nil if errors are logged. It is
// asyncio's get_exception_handler.
func (l *Loop) GetExceptionHandler() func(*Loop, ExceptionContext) { return l.handler }

// CallExceptionHandler calls the exception handler with c, or logs c if there is none. If the
// handler panics, both c and the panic are logged. It is asyncio's call_exception_handler.
func (l *Loop) CallExceptionHandler(c ExceptionContext) {
	l.check()
	l.report(c)
}

// DefaultExceptionHandler logs c with log/slog, as a loop without a handler does. Any goroutine
// may call it. It is asyncio's default_exception_handler.
func (l *Loop) DefaultExceptionHandler(c ExceptionContext) { c.log() }

// report calls the exception handler with c, or logs c if there is none. If the handler panics,
// report logs both c and the panic.
func (l *Loop) report(c ExceptionContext) {
	if l.handler == nil {
		c.log()
		return
	}
	defer func() {
		if r := recover(); r != nil {
			c.log()
			ExceptionContext{Message: "panic in exception handler", Err: &PanicError{r, debug.Stack()}}.log()
		}
	}()
	l.handler(l, c)
}

func (c ExceptionContext) log() {
	var attrs []any
	if c.Task != "" {
		attrs = append(attrs, "task", c.Task)
	}
	if p, ok := c.Err.(*PanicError); ok {
		attrs = append(attrs, "panic", p.Value, "stack", string(p.Stack))
	} else if c.Err != nil {
		attrs = append(attrs, "err", c.Err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		attrs = append(attrs, name, loggable(c.Extra[name]))
	}
	slog.Error("asyncio: "+c.Message, attrs...)
}

// loggable returns the name of v's type if v is a pointer that cannot describe itself: slog would
// log the fields that it points to.
func loggable(v any) any {
	switch v.(type) {
	case nil, error, fmt.Stringer, slog.LogValuer:
		return v
	}
	if t := reflect.TypeOf(v); t.Kind() == reflect.Pointer {
		return t.String()
	}
	return v
}

// call calls a user's callback. A panic in it is reported, and does not end the loop.
func (l *Loop) call(fn func()) {
	defer func() {
		if r := recover(); r != nil {
			l.report(ExceptionContext{Message: "panic in callback", Err: &PanicError{r, debug.Stack()}})
		}
	}()
	fn()
}

// An unseen is the error of a future that nobody has looked at. It must not refer to the future:
// the error is reported when the future becomes garbage, or at the latest when the loop closes.
type unseen struct {
	node // in the loop's list, until somebody looks or the error is reported
	err  error
	task string // the name of the task, or "" if the future is not a task's
}

// track has err reported unless somebody looks at it.
func (l *Loop) track(f *future, err error) *unseen {
	u := &unseen{err: err}
	u.node.run = u
	if t, ok := f.behavior.(AnyTask); ok {
		u.task = t.Name()
	}
	l.unseen.push(&u.node)
	// The cleanup runs on a goroutine of the runtime, which must not wake a loop under testing/synctest.
	runtime.AddCleanup(f, func(u *unseen) { l.postQuietly(u) }, u)
	return u
}

func (u *unseen) run(l *Loop) {
	if u.list == nil {
		return
	}
	u.unlink()
	kind := "future"
	if u.task != "" {
		kind = "task"
	}
	l.report(ExceptionContext{Message: kind + " exception was never retrieved", Err: u.err, Task: u.task})
}

func (l *Loop) reportUnseen() {
	for w := l.unseen.head; w != nil; w = l.unseen.head {
		w.run.run(l)
	}
}
