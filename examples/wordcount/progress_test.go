package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-asyncio/asyncio"
)

func TestProgressUntilCancelled(t *testing.T) {
	var out strings.Builder
	c := &counter{files: 3, words: map[string]int{"a": 1, "b": 9}}
	_, err := asyncio.Run(t.Context(), asyncio.Do(func(ctx context.Context) error {
		progress := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			return showProgress(ctx, &out, c)
		}))
		defer progress.Cancel()
		return asyncio.Sleep(ctx, 5*time.Second)
	}), asyncio.WithVirtualTime())
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("wordcount: 3 files, 2 different words\n", 2)
	if out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}
