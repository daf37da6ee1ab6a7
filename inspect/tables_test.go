package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// A table is a section of a view.
type table struct {
	Title   string
	Columns []string
	Rows    [][]any
	Total   int
}

// tablesOf returns the sections that a handler serves, by their titles.
func tablesOf(t *testing.T, h http.Handler, filter string) map[string]table {
	t.Helper()
	a := getJSON[struct{ View struct{ Sections []table } }](t, h, "tasks?rows="+filter)
	tables := make(map[string]table)
	for _, s := range a.View.Sections {
		for _, r := range s.Rows {
			require.Len(t, r, len(s.Columns))
		}
		tables[s.Title] = s
	}
	return tables
}

// cell returns the value in a row of a table.
func (s *table) cell(row int, column string) any {
	for i, c := range s.Columns {
		if c == column {
			return s.Rows[row][i]
		}
	}
	return nil
}

// Sockets do not work in fake time, so look is called in real time, on another goroutine.
func withRealLoop(t *testing.T, main func(ctx context.Context) error, look func(loop *asyncio.Loop), opts ...asyncio.Option) {
	t.Helper()
	done := errors.New("the test has seen enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	looked := make(chan struct{})
	_, err := asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
		loop := asyncio.RunningLoop(ctx)
		return errors.Join(main(ctx), asyncio.RunningLoop(ctx).CallSoonThreadsafe(func() {
			go func() {
				defer close(looked)
				defer cancel(done)
				look(loop)
			}()
		}), forever(ctx))
	}), append(opts, asyncio.WithInspection())...)
	<-looked
	require.ErrorIs(t, err, done)
}

func TestServersStreamsAndQueuesAreTables(t *testing.T) {
	var server *asyncio.Server
	var jobs *asyncio.Queue[int]
	var client *asyncio.StreamWriter
	withRealLoop(t, func(ctx context.Context) error {
		var err error
		accepted := asyncio.NewFuture[asyncio.None](asyncio.RunningLoop(ctx))
		server, err = asyncio.StartServer(ctx, func(ctx context.Context, r *asyncio.StreamReader, _ *asyncio.StreamWriter) error {
			_ = accepted.SetResult(asyncio.None{})
			_, err := r.ReadExactly(ctx, 100)
			return err
		}, "127.0.0.1:0")
		require.NoError(t, err)
		_, client, err = asyncio.OpenConnection(ctx, server.Addr().String())
		require.NoError(t, err)
		_, err = client.WriteString("hello")
		require.NoError(t, err)
		_, err = accepted.Await(ctx)
		require.NoError(t, err)
		jobs = asyncio.NewQueue[int](3)
		jobs.SetName("jobs")
		for i := range 5 {
			spawn(ctx, "", func(ctx context.Context) error { return jobs.Put(ctx, i) })
		}
		for range 120 {
			asyncio.NewQueue[int](0)
		}
		isRead := func(s asyncio.StreamInfo) bool { return s.Received == 5 && s.Reader != 0 }
		for !slices.ContainsFunc(asyncio.RunningLoop(ctx).Streams(), isRead) {
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}, func(loop *asyncio.Loop) {
		defer runtime.KeepAlive(client)
		h := inspect.Handler(loop)
		tables := tablesOf(t, h, "")
		servers, streams, queues := tables["Servers"], tables["Streams"], tables["Queues"]
		require.Equal(t, 1, servers.Total)
		assert.Equal(t, "tcp "+server.Addr().String(), servers.cell(0, "Address"))
		assert.Equal(t, "accepting", servers.cell(0, "State"))
		assert.EqualValues(t, 1, servers.cell(0, "Connections"))

		require.Equal(t, 2, streams.Total)
		assert.EqualValues(t, 5, streams.cell(0, "Received"), "the fullest comes first")
		assert.EqualValues(t, 5, streams.cell(0, "To read"))
		assert.Equal(t, server.Addr().String(), streams.cell(0, "Local"))
		assert.Regexp(t, `^Task-\d+ reads$`, streams.cell(0, "Task"))
		assert.EqualValues(t, 5, streams.cell(1, "Sent"))

		assert.LessOrEqual(t, len(queues.Rows), 100)
		assert.Equal(t, "jobs", queues.cell(0, "Name"))
		assert.Equal(t, []any{"jobs", "Queue", 3.0, 3.0, 0.0, 2.0, 3.0, "full"}, queues.Rows[0])

		few := tablesOf(t, h, "JOBS")
		assert.Equal(t, 1, few["Queues"].Total)
		assert.Zero(t, few["Streams"].Total)

		var dump strings.Builder
		require.NoError(t, inspect.Dump(loop, &dump))
		assert.Contains(t, dump.String(), "\nServers, 1:\n\taddress tcp "+server.Addr().String()+", state accepting, connections 1, handlers 1\n")
		assert.Contains(t, dump.String(), "\nStreams, 2:\n\tkind tcp, local "+server.Addr().String())
		assert.Contains(t, dump.String(), "\tname jobs, kind Queue, values 3, at most 3, waiting to get 0, waiting to put 2, unfinished 3, state full\n")
	})
}

func TestManyRowsAreBoundedAndCounted(t *testing.T) {
	var queues []*asyncio.Queue[int]
	withLoop(t, func(ctx context.Context) error {
		for i := range 1000 {
			q := asyncio.NewQueue[int](0)
			q.SetName(fmt.Sprintf("queue %03d", i))
			queues = append(queues, q)
		}
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		got := tablesOf(t, h, "")["Queues"]
		assert.Equal(t, 1000, got.Total)
		assert.Len(t, got.Rows, 100)
		got = tablesOf(t, h, "queue+99")["Queues"]
		assert.Equal(t, 10, got.Total)
		assert.Equal(t, "queue 990", got.Rows[0][0])
		assert.Contains(t, get(t, h, "dump").Body.String(), "\tand 900 others\n")
	})
	assert.Len(t, queues, 1000)
}

type slowAnswer struct {
	State     string
	SlowSteps []struct {
		Name  string
		Begin int64
		Took  float64
		Over  bool
		Stack []struct {
			Function, File string
			Line           int
		}
	}
}

// The loop cannot answer, but the page shows the step that blocks it.
func TestTheStepThatBlocksIsShownWhileItBlocks(t *testing.T) {
	var release chan struct{}
	withLoop(t, func(ctx context.Context) error {
		release = make(chan struct{})
		if err := asyncio.Sleep(ctx, 10*time.Second); err != nil {
			return err
		}
		asyncio.CurrentTask(ctx).SetName("culprit")
		blocksTheLoop(release)
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		h := inspect.Handler(loop)
		assert.Empty(t, getJSON[slowAnswer](t, h, "tasks").SlowSteps)
		time.Sleep(15 * time.Second)
		a := getJSON[slowAnswer](t, h, "tasks")
		assert.Equal(t, "blocked", a.State)
		require.Len(t, a.SlowSteps, 1)
		s := a.SlowSteps[0]
		assert.Equal(t, "task culprit", s.Name)
		assert.False(t, s.Over)
		assert.InDelta(t, 7, s.Took, 0.1)
		require.NotEmpty(t, s.Stack)
		assert.Equal(t, "runtime.chanrecv1", s.Stack[0].Function)
		assert.Contains(t, s.Stack[1].Function, "blocksTheLoop")
		dump := get(t, h, "dump").Body.String()
		assert.Regexp(t, `(?m)^task culprit still blocks the loop, for \S+, since \S+\n\truntime.chanrecv1 \S+\n\tinspect_test.blocksTheLoop \S*dump_test.go:\d+$`, dump)

		close(release)
		synctest.Wait()
		time.Sleep(time.Second)
		a = getJSON[slowAnswer](t, h, "tasks")
		assert.Equal(t, "running", a.State)
		assert.True(t, a.SlowSteps[0].Over)
		assert.GreaterOrEqual(t, a.SlowSteps[0].Took, s.Took)
		assert.Regexp(t, `(?m)^task culprit took \S+, since \S+$`, get(t, h, "dump").Body.String())
	})
}

func TestTheNewestSlowStepComesFirst(t *testing.T) {
	withLoop(t, func(ctx context.Context) error {
		for i := range 30 {
			task := spawn(ctx, fmt.Sprint("slow ", i), func(context.Context) error { time.Sleep(time.Second); return nil })
			if _, err := task.Await(ctx); err != nil {
				return err
			}
		}
		return forever(ctx)
	}, func(t *testing.T, loop *asyncio.Loop) {
		time.Sleep(time.Minute)
		steps := getJSON[slowAnswer](t, inspect.Handler(loop), "tasks").SlowSteps
		require.Len(t, steps, 20)
		for i, s := range steps {
			assert.Equal(t, fmt.Sprint("task slow ", 29-i), s.Name)
			assert.True(t, s.Over)
			assert.NotEmpty(t, s.Stack)
			assert.InDelta(t, 1, s.Took, 0.05)
		}
	})
}
