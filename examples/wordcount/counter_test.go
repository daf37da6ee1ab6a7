package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/go-asyncio/asyncio"
)

// randomTree writes a tree of a few hundred files.
func randomTree(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		var text strings.Builder
		for range rng.IntN(500) {
			fmt.Fprintf(&text, "word%c ", 'a'+rng.IntN(26))
		}
		sub := filepath.Join(dir, fmt.Sprint(rng.IntN(5)), fmt.Sprint(rng.IntN(5)))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(i)), []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// countSequentially counts the words in the plain way.
func countSequentially(t *testing.T, fsys fs.FS) map[string]int {
	t.Helper()
	total := make(map[string]int)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		words, err := countWords(bytes.NewReader(text))
		if err != nil {
			return err
		}
		for word, n := range words {
			total[word] += n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

func TestCountTreeEqualsASequentialCount(t *testing.T) {
	fsys := os.DirFS(randomTree(t))
	want := countSequentially(t, fsys)
	for _, jobs := range []int{1, 4, 64} {
		c := newCounter(fsys, jobs)
		if _, err := asyncio.Run(t.Context(), asyncio.Do(c.countTree)); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(c.words, want) {
			t.Errorf("%d jobs: got %v, want %v", jobs, c.words, want)
		}
		if c.files != 300 {
			t.Errorf("%d jobs: counted %d files, want 300", jobs, c.files)
		}
	}
}

// A hookFS opens its files with hook, and cannot list directories named "locked".
type hookFS struct {
	fstest.MapFS
	hook func(name string) (fs.File, error)
}

func (f hookFS) Open(name string) (fs.File, error) { return f.hook(name) }

func (f hookFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if strings.HasSuffix(name, "locked") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return f.MapFS.ReadDir(name)
}

func TestFailuresOfSingleFilesAreNotFatal(t *testing.T) {
	tree := fstest.MapFS{
		"good":          {Data: []byte("fine")},
		"binary":        {Data: []byte{0}},
		"locked/secret": {Data: []byte("secret")},
	}
	for i := range 20 {
		tree[fmt.Sprint("bad", i)] = &fstest.MapFile{}
	}
	fsys := hookFS{tree, func(name string) (fs.File, error) {
		if strings.HasPrefix(name, "bad") {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return tree.Open(name)
	}}

	c := newCounter(fsys, 4)
	if _, err := asyncio.Run(t.Context(), asyncio.Do(c.countTree)); err != nil {
		t.Fatal(err)
	}
	if want := map[string]int{"fine": 1}; !maps.Equal(c.words, want) {
		t.Errorf("got %v, want %v", c.words, want)
	}
	var report strings.Builder
	c.reportSkipped(&report)
	lines := strings.Split(strings.TrimSpace(report.String()), "\n")
	if len(lines) != maxFailures+2 {
		t.Errorf("the report has %d lines, want %d:\n%s", len(lines), maxFailures+2, &report)
	}
	want := "wordcount: 1 files counted, 1 binary and 21 unreadable ones left out"
	if got := lines[len(lines)-1]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoMoreFilesAreOpenThanJobs(t *testing.T) {
	const jobs = 3
	tree := make(fstest.MapFS)
	for i := range 100 {
		tree[fmt.Sprint(i)] = &fstest.MapFile{Data: []byte("word")}
	}
	var open, most atomic.Int32
	fsys := hookFS{tree, func(name string) (fs.File, error) {
		if n := open.Add(1); n > most.Load() {
			most.Store(n)
		}
		f, err := tree.Open(name)
		return closeHook{f, func() { open.Add(-1) }}, err
	}}
	c := newCounter(fsys, jobs)
	if _, err := asyncio.Run(t.Context(), asyncio.Do(c.countTree)); err != nil {
		t.Fatal(err)
	}
	if n := most.Load(); n > jobs {
		t.Errorf("%d files were open at a time, want at most %d", n, jobs)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d files are still open", n)
	}
}

type closeHook struct {
	fs.File
	hook func()
}

func (f closeHook) Close() error {
	f.hook()
	return f.File.Close()
}

// An endlessFile has no end; each read calls the function read.
type endlessFile struct {
	fs.File
	read func()
}

func (f endlessFile) Read(p []byte) (int, error) {
	f.read()
	return copy(p, "and so on "), nil
}

func TestCancellationEndsCounting(t *testing.T) {
	tree := fstest.MapFS{"endless1": {}, "endless2": {}, "endless3": {}}
	reading := make(chan struct{}, 1)
	c := newCounter(hookFS{tree, func(name string) (fs.File, error) {
		f, err := tree.Open(name)
		return endlessFile{f, func() {
			select {
			case reading <- struct{}{}:
			default:
			}
		}}, err
	}}, 2)
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		counting := asyncio.CreateTask(ctx, asyncio.Do(c.countTree))
		_, err := asyncio.ToThread(ctx, func(context.Context) (asyncio.None, error) {
			return <-reading, nil
		})
		if err != nil {
			return err
		}
		counting.Cancel()
		_, err = counting.Await(ctx)
		return err
	}))
	if !errors.Is(err, asyncio.ErrCancelled) {
		t.Errorf("got %v, want %v", err, asyncio.ErrCancelled)
	}
}
