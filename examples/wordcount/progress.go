package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-asyncio/asyncio"
)

// showProgress prints the progress of c now and then, until it is cancelled. On a terminal it
// rewrites one line and clears it at the end; otherwise it prints a line each time.
func showProgress(ctx context.Context, w io.Writer, c *counter) error {
	every, format := 2*time.Second, "wordcount: %d files, %d different words\n"
	if isTerminal(w) {
		every, format = 100*time.Millisecond, "\r%d files, %d different words"
		defer fmt.Fprint(w, "\r\033[K")
	}
	for {
		if err := asyncio.Sleep(ctx, every); err != nil {
			return err
		}
		fmt.Fprintf(w, format, c.files, len(c.words))
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
