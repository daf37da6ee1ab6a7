package inspect_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/trace"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// parsed returns the events of an execution trace as text.
func parsed(t *testing.T, execution []byte) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command: ", err)
	}
	file := filepath.Join(t.TempDir(), "trace")
	require.NoError(t, os.WriteFile(file, execution, 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "tool", "trace", "-d=parsed", file).CombinedOutput()
	require.NoError(t, err, "%s", out[:min(len(out), 2000)])
	return string(out)
}

func TestExecutionTracesHaveTheTasksOfALoop(t *testing.T) {
	if trace.IsEnabled() {
		t.Skip("the test itself is traced")
	}
	var out bytes.Buffer
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		stop, err := inspect.RuntimeTrace(asyncio.RunningLoop(ctx))
		require.NoError(t, err)
		if err := asyncio.Sleep(ctx, 0); err != nil { // until the loop is observed
			return err
		}
		if _, err := spawn(ctx, "not traced", func(context.Context) error { return nil }).Await(ctx); err != nil {
			return err
		}
		old := spawn(ctx, "old one", func(ctx context.Context) error { return asyncio.Sleep(ctx, 2*time.Second) })
		if err := asyncio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		require.NoError(t, trace.Start(&out))
		defer trace.Stop()
		_, err = spawn(ctx, "wanderer", func(ctx context.Context) error {
			if _, err := spawn(ctx, "child", func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Second) }).Await(ctx); err != nil {
				return err
			}
			_, err := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { return asyncio.Sleep(ctx, 0) }),
				asyncio.WithName("eager"), asyncio.WithEagerStart()).Await(ctx)
			return err
		}).Await(ctx)
		require.NoError(t, err)
		if _, err := old.Await(ctx); err != nil {
			return err
		}
		stop()
		stop()
		_, err = spawn(ctx, "after", func(context.Context) error { return nil }).Await(ctx)
		return err
	}), virtualTime)
	require.NoError(t, err)
	text := parsed(t, out.Bytes())
	begin := regexp.MustCompile(`TaskBegin Time=\d+ ID=(\d+) Parent=(\d+) Type="(wanderer|child|eager)"`).FindAllStringSubmatch(text, -1)
	require.Len(t, begin, 3)
	for i, name := range []string{"wanderer", "child", "eager"} {
		assert.Equal(t, name, begin[i][3])
		assert.Regexp(t, `TaskEnd Time=\d+ ID=`+begin[i][1], text)
		assert.Regexp(t, `RegionBegin Time=\d+ Task=`+begin[i][1]+` Type="`+name+`"`, text)
		assert.Regexp(t, `RegionEnd Time=\d+ Task=`+begin[i][1]+` Type="`+name+`"`, text)
	}
	assert.Equal(t, begin[0][1], begin[1][2], "the one that created it")
	assert.Equal(t, begin[0][1], begin[2][2])
	assert.Regexp(t, `Log Time=\d+ Task=`+begin[0][1]+` Category="waits for" Message="task child"`, text)
	assert.Regexp(t, `Log Time=\d+ Task=`+begin[1][1]+` Category="waits for" Message="sleep"`, text)
	assert.Contains(t, text, `"old one"`)
	assert.NotContains(t, text, `"not traced"`)
	assert.NotContains(t, text, `"after"`)
}

func TestARuntimeTraceOfAClosedLoopIsRefused(t *testing.T) {
	loop := asyncio.NewLoop()
	stop, err := inspect.RuntimeTrace(loop)
	require.NoError(t, err)
	stop()
	require.NoError(t, loop.Close())
	_, err = inspect.RuntimeTrace(loop)
	assert.ErrorIs(t, err, asyncio.ErrLoopClosed)
}
