package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// A reply is the server's answer to a command: nil, a status, a string, an int64, or a []reply. A
// []reply may also contain a serverError.
type reply any

// A status is a short answer such as OK.
type status string

// A serverError is the server's refusal of a command.
type serverError string

func (e serverError) Error() string { return string(e) }

// A client sends commands over one connection. A task of its own reads the replies, which come in
// the order of the commands, and sets each in the future of its command.
type client struct {
	loop    *asyncio.Loop
	r       *asyncio.StreamReader
	w       *asyncio.StreamWriter
	waiting []*asyncio.Future[reply]
	broken  error // why no more replies come
	reader  *asyncio.Task[asyncio.None]
}

func dial(ctx context.Context, address string) (*client, error) {
	r, w, err := asyncio.OpenConnection(ctx, address)
	if err != nil {
		return nil, err
	}
	c := &client{loop: asyncio.RunningLoop(ctx), r: r, w: w}
	c.reader = asyncio.CreateTask(ctx, asyncio.Do(c.readReplies))
	return c, nil
}

// Close closes the connection. Commands without a reply get an error.
func (c *client) Close() {
	c.reader.Cancel()
	c.w.Close()
}

// Send sends a command and returns the future of its reply. It does not suspend.
func (c *client) Send(words ...string) *asyncio.Future[reply] {
	f := asyncio.NewFuture[reply](c.loop)
	if c.broken != nil {
		_ = f.SetException(c.broken) // the future is new, so this cannot fail
		return f
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	c.waiting = append(c.waiting, f)
	_, _ = c.w.WriteString(b.String()) // if that fails, so does reading
	return f
}

// readReplies is the task that reads.
func (c *client) readReplies(ctx context.Context) error {
	for {
		r, err := readReply(ctx, c.r)
		if err != nil {
			c.broken = fmt.Errorf("connection lost: %w", err)
			for _, f := range c.waiting {
				_ = f.SetException(c.broken)
			}
			return nil // the waiting tasks have the error
		}
		if len(c.waiting) == 0 {
			continue // no command waits for it
		}
		f := c.waiting[0]
		c.waiting = c.waiting[1:]
		// If the future is done, the task that waited for it was cancelled.
		if refusal, ok := r.(serverError); ok {
			_ = f.SetException(refusal)
		} else {
			_ = f.SetResult(r)
		}
	}
}

// readReply reads one reply. See https://redis.io/docs/latest/develop/reference/protocol-spec/
func readReply(ctx context.Context, r *asyncio.StreamReader) (reply, error) {
	line, err := r.ReadUntil(ctx, "\r\n")
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], string(line[1:len(line)-2])
	switch kind {
	case '+':
		return status(rest), nil
	case '-':
		return serverError(rest), nil
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return nil, err
		}
		p, err := r.ReadExactly(ctx, n+2)
		if err != nil {
			return nil, err
		}
		return string(p[:n]), nil
	case '*':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return nil, err
		}
		items := make([]reply, 0, min(n, 1024))
		for range n {
			item, err := readReply(ctx, r)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, nil
	default:
		return nil, fmt.Errorf("unexpected reply %q", line)
	}
}
