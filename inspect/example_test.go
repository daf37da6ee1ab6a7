package inspect_test

import (
	"context"
	"errors"
	"net/http"
	"os"

	"github.com/go-asyncio/asyncio"
	"github.com/go-asyncio/asyncio/inspect"
)

// The page stands beside the other pages for debugging, on a loopback address.
func ExampleHandler() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		http.Handle("/debug/asyncio/", inspect.Handler(asyncio.RunningLoop(ctx)))
		go http.ListenAndServe("localhost:6060", nil)
		return asyncio.Sleep(ctx, 0) // the program
	}))
}

// The page may also cancel tasks.
func ExampleWithCancel() {
	loop := asyncio.NewLoop()
	handler := inspect.NewHandler([]*asyncio.Loop{loop}, inspect.WithCancel())
	http.Handle("/debug/tasks/", handler)
}

// A program that hangs is asked what it does: kill -INT, or Ctrl-C.
func ExampleDumpOnSignal() {
	loop := asyncio.NewLoop()
	stop := inspect.DumpOnSignal(os.Interrupt, os.Stderr, loop)
	defer stop()
}

// A task prints the tree of all tasks.
func ExamplePSTree() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return inspect.PSTree(asyncio.RunningLoop(ctx), os.Stderr)
	}))
}

// A test that is slow for no apparent reason leaves a trace for ui.perfetto.dev.
func ExampleTrace() {
	_, _ = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		file, err := os.Create("trace.json")
		if err != nil {
			return err
		}
		defer file.Close()
		stop, err := inspect.Trace(asyncio.RunningLoop(ctx), file)
		if err != nil {
			return err
		}
		err = asyncio.Sleep(ctx, 0) // the program
		return errors.Join(err, stop())
	}))
}
