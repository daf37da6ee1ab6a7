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
