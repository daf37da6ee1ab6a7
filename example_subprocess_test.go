//go:build unix

package asyncio_test

import (
	"context"
	"fmt"

	"github.com/go-asyncio/asyncio"
)

// output collects the output of a process.
type output struct {
	asyncio.BaseSubprocessProtocol
	text string
	done asyncio.Event
}

func (o *output) PipeDataReceived(fd int, data []byte) { o.text += string(data) }

func (o *output) ConnectionLost(error) { o.done.Set() }

func ExampleSubprocessProtocol() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		_, o, err := asyncio.SubprocessExec(ctx, func() *output { return new(output) }, "echo", []string{"hello"})
		if err != nil {
			return err
		}
		o.done.Wait(ctx)
		fmt.Print(o.text)
		return nil
	}))
	// Output: hello
}

func ExampleSubprocessTransport() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		t, o, err := asyncio.SubprocessExec(ctx, func() *output { return new(output) }, "cat", nil)
		if err != nil {
			return err
		}
		t.PipeTransport(0).WriteString("meow")
		t.PipeTransport(0).Close()
		o.done.Wait(ctx)
		fmt.Println(o.text)
		fmt.Println(t.ReturnCode())
		return nil
	}))
	// Output:
	// meow
	// 0 true
}

func ExampleBaseSubprocessProtocol() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		type ignorant struct{ asyncio.BaseSubprocessProtocol } // ignores all calls
		t, _, err := asyncio.SubprocessShell(ctx, func() *ignorant { return new(ignorant) }, "exit 1")
		if err != nil {
			return err
		}
		fmt.Println(t.IsClosing())
		return t.Close()
	}))
	// Output: false
}

func ExampleSubprocessOption() {
	asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		opts := []asyncio.SubprocessOption{asyncio.WithStdin(asyncio.DevNull), asyncio.WithStderr(asyncio.ToStdout)}
		_, o, err := asyncio.SubprocessShell(ctx, func() *output { return new(output) }, "echo failed >&2", opts...)
		if err != nil {
			return err
		}
		o.done.Wait(ctx)
		fmt.Print(o.text)
		return nil
	}))
	// Output: failed
}
