// Command replay runs scenarios on package asyncio. It reads one scenario a line from its standard
// input, and writes one trace a line to its standard output.
//
//	go run ./internal/conformance/replay < scenarios.jsonl > traces.jsonl
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/go-asyncio/asyncio/internal/conformance"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	err := conformance.Replay(os.Stdin, out)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}
