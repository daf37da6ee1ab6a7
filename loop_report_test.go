package asyncio_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestAPanicInACallbackDoesNotEndTheLoop(t *testing.T) {
	var seen reports
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		asyncio.RunningLoop(ctx).CallSoon(func() { panic(errBoom) })
		giveWay(ctx, 2)
		return nil
	}), seen.handler())
	require.NoError(t, err)
	require.Len(t, seen, 1)
	assert.Equal(t, "panic in callback", seen[0].Message)
	assert.ErrorIs(t, seen[0].Err, errBoom)
}

func TestWithoutAHandlerReportsAreLogged(t *testing.T) {
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	fail := asyncio.Do(func(ctx context.Context) error {
		asyncio.CreateTask(ctx, failing(0, errBoom), asyncio.WithName("worker"))
		giveWay(ctx, 3)
		return nil
	})
	_, err := asyncio.Run(t.Context(), fail)
	require.NoError(t, err)
	assert.Contains(t, log.String(), `msg="asyncio: task exception was never retrieved" task=worker err=boom`)

	log.Reset()
	_, err = asyncio.Run(t.Context(), fail, asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) { panic("handler") }))
	require.NoError(t, err)
	assert.Contains(t, log.String(), "never retrieved", "the report that the handler received is not lost")
	assert.Contains(t, log.String(), "panic in exception handler")
}

func TestAnExceptionHandlerSetAtRunTimeCanPassReportsOn(t *testing.T) {
	var first, second reports
	take := func(r *reports) func(*asyncio.Loop, asyncio.ExceptionContext) {
		return func(_ *asyncio.Loop, c asyncio.ExceptionContext) { *r = append(*r, c) }
	}
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		assert.Nil(t, loop.GetExceptionHandler())
		loop.SetExceptionHandler(take(&first))
		next := loop.GetExceptionHandler()
		loop.SetExceptionHandler(func(l *asyncio.Loop, c asyncio.ExceptionContext) {
			assert.Same(t, loop, l)
			if c.Extra["job"] == 7 {
				take(&second)(l, c)
			} else {
				next(l, c)
			}
		})
		loop.CallExceptionHandler(asyncio.ExceptionContext{Message: "job failed", Err: errBoom, Extra: map[string]any{"job": 7}})
		loop.CallSoon(func() { panic(errBoom) })
		giveWay(ctx, 2)
		return nil
	}))
	require.NoError(t, err)
	require.Len(t, second, 1)
	assert.Equal(t, "job failed", second[0].Message)
	require.Len(t, first, 1)
	assert.Equal(t, "panic in callback", first[0].Message)
}

func TestTheDefaultExceptionHandlerLogs(t *testing.T) {
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	var seen reports
	loop := asyncio.NewLoop(seen.handler())
	c := asyncio.ExceptionContext{Message: "lost", Task: "worker", Err: errBoom, Extra: map[string]any{"size": 3, "job": "a"}}
	loop.DefaultExceptionHandler(c)
	assert.Contains(t, log.String(), `msg="asyncio: lost" task=worker err=boom job=a size=3`)
	assert.Empty(t, seen)
	log.Reset()
	loop.DefaultExceptionHandler(asyncio.ExceptionContext{Message: "lost", Extra: map[string]any{
		"future": asyncio.NewFuture[int](loop), "loop": loop, "nothing": nil, "why": errBoom}})
	assert.Contains(t, log.String(), `msg="asyncio: lost" future=future loop=*asyncio.Loop nothing=<nil> why=boom`)
	log.Reset()
	loop.SetExceptionHandler(nil)
	loop.CallExceptionHandler(c)
	assert.Contains(t, log.String(), "asyncio: lost")
	log.Reset()
	loop.SetExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) { panic("handler") })
	loop.CallExceptionHandler(c)
	assert.Contains(t, log.String(), "asyncio: lost")
	assert.Contains(t, log.String(), "asyncio: panic in exception handler")
	require.NoError(t, loop.Close())
	loop.CallExceptionHandler(c) // of a closed loop, too
}
