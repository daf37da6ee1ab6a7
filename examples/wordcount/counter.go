package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/go-asyncio/asyncio"
)

// A counter adds up the words in the files of a tree. It needs no lock, because it belongs to the
// tasks of one loop, and only one of them runs at a time.
type counter struct {
	fsys  fs.FS
	slots *asyncio.Semaphore // one for each file that may be read at a time

	words    map[string]int
	files    int     // counted
	binary   int     // skipped
	failed   int     // skipped because they, or their directories, could not be read
	failures []error // the first of these failures
}

const maxFailures = 10 // number kept for the report

func newCounter(fsys fs.FS, jobs int) *counter {
	return &counter{fsys: fsys, slots: asyncio.NewSemaphore(jobs), words: make(map[string]int)}
}

// countTree counts the words of all regular files; it follows no symbolic links. A file gets a task
// only when it has a slot, so there are about as many tasks as slots, however many files there are.
func (c *counter) countTree(ctx context.Context) error {
	return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
		dirs := []string{"."}
		for len(dirs) > 0 {
			dir := dirs[len(dirs)-1]
			dirs = dirs[:len(dirs)-1]

			entries, err := c.readDir(ctx, dir)
			if err != nil {
				return err
			}
			for _, entry := range entries {
				name := path.Join(dir, entry.Name())
				switch {
				case entry.IsDir():
					dirs = append(dirs, name)
				case entry.Type().IsRegular():
					if err := c.slots.Acquire(ctx); err != nil {
						return err
					}
					tg.Go(func(ctx context.Context) error {
						defer c.slots.Release()
						return c.countFile(ctx, name)
					})
				}
			}
		}
		return nil
	})
}

// readDir returns the entries of a directory. If it cannot be read, that is a failure to report and
// not an error; the only error is a cancellation.
func (c *counter) readDir(ctx context.Context, dir string) ([]fs.DirEntry, error) {
	entries, err := asyncio.ToThread(ctx, func(context.Context) ([]fs.DirEntry, error) {
		return fs.ReadDir(c.fsys, dir)
	})
	if errors.Is(err, asyncio.ErrCancelled) {
		return nil, err
	}
	if err != nil {
		c.fail(err)
	}
	return entries, nil // the entries that were read before the failure
}

// countFile adds the words of a file. Its only error is a cancellation, as with readDir.
func (c *counter) countFile(ctx context.Context, name string) error {
	words, err := asyncio.ToThread(ctx, func(ctx context.Context) (map[string]int, error) {
		return readWords(ctx, c.fsys, name)
	})
	switch {
	case errors.Is(err, asyncio.ErrCancelled):
		return err
	case errors.Is(err, errBinary):
		c.binary++
	case err != nil:
		c.fail(err)
	default:
		c.files++
		for word, n := range words {
			c.words[word] += n
		}
	}
	return nil
}

func (c *counter) fail(err error) {
	c.failed++
	if len(c.failures) < maxFailures {
		c.failures = append(c.failures, err)
	}
}

// reportSkipped prints which files were skipped, if any.
func (c *counter) reportSkipped(w io.Writer) {
	for _, err := range c.failures {
		fmt.Fprintln(w, "wordcount:", err)
	}
	if more := c.failed - len(c.failures); more > 0 {
		fmt.Fprintf(w, "wordcount: and %d more\n", more)
	}
	if c.failed > 0 || c.binary > 0 {
		fmt.Fprintf(w, "wordcount: %d files counted, %d binary and %d unreadable ones left out\n",
			c.files, c.binary, c.failed)
	}
}

// readWords counts the words of a file. It runs in a thread.
func readWords(ctx context.Context, fsys fs.FS, name string) (map[string]int, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	words, err := countWords(&contextReader{ctx, f})
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", name, err)
	}
	return words, nil
}

// A contextReader stops reading when its ctx is done. A thread goes on when the task that waits for
// it is cancelled; the contextReader ends it soon, even in a large file.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
