// Wordcount counts the words of all text files below a directory and prints the most frequent ones.
//
//	go run ./examples/wordcount [-n top] [-j jobs] DIR
//
// Threads read the files, up to -j at a time. Tasks add up the results, without a lock, since only
// one task runs at a time. Files that cannot be read, and binary files, are counted and skipped.
// Ctrl-C ends it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/go-asyncio/asyncio"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("wordcount", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: wordcount [flags] DIR")
		flags.PrintDefaults()
	}
	top := flags.Int("n", 10, "print the `top` most frequent words")
	jobs := flags.Int("j", 2*runtime.NumCPU(), "read that many files at a time (`jobs`)")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2 // the flag set has printed the error
	}

	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "wordcount:", err)
		return code
	}
	switch {
	case *top < 1:
		return fail(2, fmt.Errorf("-n must be at least 1, not %d", *top))
	case *jobs < 1:
		return fail(2, fmt.Errorf("-j must be at least 1, not %d", *jobs))
	case flags.NArg() != 1:
		return fail(2, fmt.Errorf("one directory is needed, not %d", flags.NArg()))
	}
	dir := flags.Arg(0)
	if info, err := os.Stat(dir); err != nil {
		return fail(1, err)
	} else if !info.IsDir() {
		return fail(1, fmt.Errorf("%s is not a directory", dir))
	}

	c := newCounter(os.DirFS(dir), *jobs)
	_, err := asyncio.Run(ctx, asyncio.Do(func(ctx context.Context) error {
		// A background task ends with Run, at the latest.
		progress := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			return showProgress(ctx, stderr, c)
		}))
		defer progress.Cancel()
		return c.countTree(ctx)
	}), asyncio.WithInterrupt(), asyncio.WithMaxThreads(*jobs+1)) // one more reads directories

	switch {
	case errors.Is(err, asyncio.ErrInterrupted):
		return fail(130, errors.New("interrupted"))
	case err != nil:
		return fail(1, err)
	}
	c.reportSkipped(stderr)
	for _, w := range mostFrequent(c.words, *top) {
		fmt.Fprintf(stdout, "%8d %s\n", w.n, w.word)
	}
	return 0
}
