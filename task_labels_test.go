package asyncio_test

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// goroutineProfile returns the profile of all goroutines, with their labels.
func goroutineProfile() string {
	var profile bytes.Buffer
	must(pprof.Lookup("goroutine").WriteTo(&profile, 1))
	return profile.String()
}

// labelsHere returns the profiler labels of the calling goroutine. Only one goroutine at a time may
// call it.
func labelsHere() string {
	for record := range strings.SplitSeq(goroutineProfile(), "\n\n") {
		if strings.Contains(record, "asyncio_test.labelsHere") {
			_, labels, _ := strings.Cut(record, "# labels: ")
			labels, _, _ = strings.Cut(labels, "\n")
			return labels
		}
	}
	return "not found"
}

func labelled(ctx context.Context, value string) context.Context {
	return pprof.WithLabels(ctx, pprof.Labels("job", value))
}

// looking returns a coroutine that makes the given number of turns and returns its labels at the
// start and after each turn.
func looking(turns int) asyncio.Coro[[]string] {
	return func(ctx context.Context) ([]string, error) {
		seen := []string{labelsHere()}
		for range turns {
			giveWay(ctx, 1)
			seen = append(seen, labelsHere())
		}
		return seen, nil
	}
}

func TestATaskHasTheProfilerLabelsOfItsContext(t *testing.T) {
	const main, child = `{"job":"main"}`, `{"job":"child"}`
	_, err := asyncio.Run(labelled(t.Context(), "main"), asyncio.Do(func(ctx context.Context) error {
		look := func(ctx context.Context, turns int, opts ...asyncio.TaskOption) []string {
			seen, err := asyncio.CreateTask(ctx, looking(turns), opts...).Await(ctx)
			must(err)
			return seen
		}
		var looks []*asyncio.Task[asyncio.None]
		assert.Equal(t, main, labelsHere())
		assert.Equal(t, []string{main}, look(ctx, 0))
		pprof.Do(ctx, pprof.Labels("job", "child"), func(inner context.Context) {
			assert.Equal(t, []string{child, child, child}, look(inner, 2))
			assert.Equal(t, []string{child}, look(inner, 0, asyncio.WithEagerStart()))
			assert.Equal(t, []string{main, main}, look(ctx, 1), "of the context, not of the creator")
			assert.Equal(t, []string{main}, look(ctx, 0, asyncio.WithEagerStart()))
			giveWay(inner, 1)
			assert.Equal(t, child, labelsHere(), "after others have run")
			for range 3 {
				assert.Equal(t, []string{child}, look(inner, 0))
				assert.Equal(t, []string{main}, look(ctx, 0))
			}
			got, err := asyncio.ToThread(inner, func(context.Context) (string, error) { return labelsHere(), nil })
			must(err)
			assert.Equal(t, child, got, "of a function on a goroutine of its own")
			for _, given := range []struct {
				ctx  context.Context
				want string
			}{{ctx, main}, {inner, child}, {ctx, main}} { // of a function that begins when another ends
				looks = append(looks, asyncio.CreateTask(given.ctx, func(ctx context.Context) (asyncio.None, error) {
					got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) { return labelsHere(), nil })
					assert.Equal(t, given.want, got)
					return asyncio.None{}, err
				}))
			}
			join(ctx, looks...)
		})
		assert.Equal(t, main, labelsHere())
		return nil
	}), asyncio.WithMaxThreads(1))
	require.NoError(t, err)
}

func TestATaskHasNoProfilerLabelsOfAnother(t *testing.T) {
	for name, other := range map[string]func(ctx context.Context) error{
		"that has ended with some set": func(ctx context.Context) error {
			pprof.SetGoroutineLabels(labelled(ctx, "other"))
			return nil
		},
		"that has waited and ended with some set": func(ctx context.Context) error {
			pprof.SetGoroutineLabels(labelled(ctx, "other"))
			giveWay(ctx, 3)
			return nil
		},
		"that has panicked with some set": func(ctx context.Context) error {
			pprof.SetGoroutineLabels(labelled(ctx, "other"))
			panic(errBoom)
		},
		"that waits with some set": func(ctx context.Context) error {
			pprof.Do(ctx, pprof.Labels("job", "other"), func(ctx context.Context) { _ = asyncio.Sleep(ctx, time.Second) })
			return nil
		},
		"that has made it run": func(ctx context.Context) error {
			pprof.SetGoroutineLabels(labelled(ctx, "other"))
			_, err := asyncio.CreateTask(context.WithValue(ctx, valueKey{}, 1), looking(0)).Await(ctx)
			return err
		},
		"whose context had some": func(ctx context.Context) error {
			_, err := asyncio.CreateTask(labelled(ctx, "other"), looking(1)).Await(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t, func(ctx context.Context) {
				var others []*asyncio.Task[asyncio.None]
				var looks []*asyncio.Task[[]string]
				for range 10 {
					others = append(others, spawn(ctx, other))
					looks = append(looks, asyncio.CreateTask(ctx, looking(2)), asyncio.CreateTask(ctx, looking(0), asyncio.WithEagerStart()))
				}
				giveWay(ctx, 2)
				for range 10 {
					others = append(others, spawn(ctx, other))
					looks = append(looks, asyncio.CreateTask(ctx, looking(0)), asyncio.CreateTask(ctx, looking(2)))
				}
				join(ctx, others...)
				looks = append(looks, asyncio.CreateTask(ctx, looking(1)))
				for _, look := range looks {
					seen, err := look.Await(ctx)
					require.NoError(t, err)
					for _, labels := range seen {
						assert.Empty(t, labels)
					}
				}
				assert.Empty(t, labelsHere())
				assert.NotContains(t, goroutineProfile(), `"other"`, "nor do idle goroutines keep them")
			})
		})
	}
}

func TestAFunctionThatBeginsWhenAnotherEndsHasNoProfilerLabelsOfIt(t *testing.T) {
	runOnOneThread(t, func(ctx context.Context) error {
		first := spawn(ctx, func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
				pprof.SetGoroutineLabels(labelled(context.Background(), "other"))
				return 0, nil
			})
			return err
		})
		second := spawn(ctx, func(ctx context.Context) error {
			labels, err := asyncio.ToThread(ctx, func(context.Context) (string, error) { return labelsHere(), nil })
			assert.Empty(t, labels)
			return err
		})
		join(ctx, first, second)
		return nil
	})
}

func TestATaskHasNoProfilerLabelsOfTheCallerOfRun(t *testing.T) {
	pprof.Do(t.Context(), pprof.Labels("job", "caller"), func(context.Context) {
		inTurn(t, func(ctx context.Context) {
			assert.Empty(t, labelsHere())
			seen, err := asyncio.CreateTask(ctx, looking(1)).Await(ctx)
			require.NoError(t, err)
			assert.Equal(t, []string{"", ""}, seen)
		})
		assert.Equal(t, `{"job":"caller"}`, labelsHere(), "its own are left alone")
	})
}

// unlabelled is a context that panics when it is asked for profiler labels after it is spent.
type unlabelled struct {
	context.Context
	spent *bool
}

func (c unlabelled) Value(key any) any {
	if *c.spent {
		panic("spent")
	}
	return c.Context.Value(key)
}

func TestAContextThatPanicsWhenAskedForLabelsFailsOnlyItsTask(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		labelled(ctx, "any") // from now on the loop asks for labels
		spent := false
		task := spawn(unlabelled{ctx, &spent}, func(context.Context) error { return nil })
		other := spawn(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) })
		spent = true
		join(ctx, task, other)
		var panicked *asyncio.PanicError
		require.ErrorAs(t, task.Exception(), &panicked)
		assert.Equal(t, "spent", panicked.Value)
		assert.NoError(t, other.Exception())
	})
}

func TestATaskMayHaveItsNameAsAProfilerLabel(t *testing.T) {
	_, err := asyncio.Run(labelled(t.Context(), "main"), asyncio.Do(func(ctx context.Context) error {
		look := func(ctx context.Context, name string, turns int, opts ...asyncio.TaskOption) []string {
			seen, err := asyncio.CreateTask(ctx, looking(turns), append(opts, asyncio.WithName(name))...).Await(ctx)
			must(err)
			return seen
		}
		const main, child = `{"job":"main", "task":"Task-1"}`, `{"job":"main", "task":"child"}`
		assert.Equal(t, main, labelsHere())
		assert.Equal(t, []string{child, child}, look(ctx, "child", 1))
		assert.Equal(t, []string{child}, look(ctx, "child", 0, asyncio.WithEagerStart()))
		assert.Equal(t, main, labelsHere())
		pprof.Do(ctx, pprof.Labels("step", "pay"), func(ctx context.Context) {
			assert.Equal(t, `{"job":"main", "step":"pay", "task":"Task-1"}`, labelsHere())
			assert.Equal(t, []string{`{"job":"main", "step":"pay", "task":"child"}`}, look(ctx, "child", 0))
			got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) { return labelsHere(), nil })
			must(err)
			assert.Equal(t, `{"job":"main", "step":"pay", "task":"Task-1"}`, got)
		})
		got, err := asyncio.Pull(ctx, func(yield func(string, error) bool) { yield(labelsHere(), nil) }).Next(ctx)
		must(err)
		assert.Equal(t, main, got)
		return nil
	}), asyncio.WithTaskLabels())
	require.NoError(t, err)
	assert.NotContains(t, goroutineProfile(), `"task"`, "they are gone with the tasks")
}
