//go:build !plan9

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/go-asyncio/asyncio"
)

// client is the state that the clients' tasks share.
type client struct {
	addrs  addresses
	certs  *certificates
	pause  time.Duration
	halt   bool           // begin no further rounds
	busy   int            // running rounds
	rounds map[string]int // by kind
	failed map[string]int
}

// makeRounds is the task of a client.
func (c *client) makeRounds(ctx context.Context) error {
	kinds := []struct {
		name string
		run  func(context.Context) error
	}{
		{"echo", c.echo}, {"half-close", c.halfClose}, {"reset", c.reset}, {"cancel", c.cancel},
		{"timeout", c.timeout}, {"tls", c.tls}, {"starttls", c.startTLS}, {"chat", c.chat}, {"refused", c.refused},
	}
	for {
		if err := asyncio.Sleep(ctx, c.pause); err != nil {
			return err
		}
		if c.halt {
			continue
		}
		kind := kinds[rand.IntN(len(kinds))]
		c.busy++
		err := kind.run(ctx)
		c.busy--
		if errors.Is(err, asyncio.ErrCancelled) {
			return err
		}
		c.rounds[kind.name]++
		if err != nil {
			c.failed[kind.name]++
			fmt.Printf("%s: %v\n", kind.name, err)
		}
	}
}

// message returns random bytes.
func message() []byte {
	p := make([]byte, 1+rand.IntN(1<<(4+rand.IntN(14))))
	for i := range p {
		p[i] = 'a' + byte(i%26)
	}
	return p
}

// exchange sends a message and reads it back.
func exchange(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	for range 1 + rand.IntN(5) {
		sent := message()
		if _, err := w.Write(sent); err != nil {
			return err
		}
		got, err := r.ReadExactly(ctx, len(sent))
		if err != nil {
			return err
		}
		if !bytes.Equal(sent, got) {
			return errors.New("another message came back")
		}
	}
	return nil
}

// with opens a connection, and closes it after the body.
func with(ctx context.Context, addr string, body func(*asyncio.StreamReader, *asyncio.StreamWriter) error, opts ...asyncio.ConnectOption) error {
	r, w, err := asyncio.OpenConnection(ctx, addr, opts...)
	if err != nil {
		return err
	}
	err = body(r, w)
	w.Close()
	return err // whether the connection ends properly does not matter
}

func (c *client) echo(ctx context.Context) error {
	return with(ctx, c.addrs.echo, func(r *asyncio.StreamReader, w *asyncio.StreamWriter) error { return exchange(ctx, r, w) })
}

func (c *client) tls(ctx context.Context) error {
	return with(ctx, c.addrs.secret, func(r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		return exchange(ctx, r, w)
	}, asyncio.WithTLS(c.certs.client))
}

func (c *client) startTLS(ctx context.Context) error {
	return with(ctx, c.addrs.upgrade, func(r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		if _, err := w.WriteString("upgrade\n"); err != nil {
			return err
		}
		if _, err := r.ReadLine(ctx); err != nil {
			return err
		}
		if err := w.StartTLS(ctx, c.certs.client); err != nil {
			return err
		}
		return exchange(ctx, r, w)
	})
}

func (c *client) halfClose(ctx context.Context) error {
	return with(ctx, c.addrs.echo, func(r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		sent := message()
		if _, err := w.Write(sent); err != nil {
			return err
		}
		if err := w.WriteEOF(); err != nil {
			return err
		}
		got, err := r.Read(ctx, -1)
		if err == nil && !bytes.Equal(sent, got) {
			err = fmt.Errorf("%d bytes came back of %d", len(got), len(sent))
		}
		return err
	})
}

func (c *client) reset(ctx context.Context) error {
	_, w, err := asyncio.OpenConnection(ctx, c.addrs.echo)
	if err != nil {
		return err
	}
	_, err = w.Write(message())
	w.Reset()
	return err
}

// cancel cancels a read that waits, and then reads the bytes nevertheless.
func (c *client) cancel(ctx context.Context) error {
	return with(ctx, c.addrs.echo, func(r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		task := asyncio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return r.ReadExactly(ctx, 1000) })
		if _, err := w.Write(make([]byte, 500)); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		task.Cancel()
		if _, _, err := asyncio.Wait(ctx, []asyncio.AnyTask{task}); err != nil {
			return err
		}
		_, err := r.ReadExactly(ctx, 500)
		return err
	})
}

func (c *client) timeout(ctx context.Context) error {
	return with(ctx, c.addrs.echo, func(r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		err := asyncio.Timeout(ctx, time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := r.Read(ctx, 1)
			return err
		})
		if !errors.Is(err, asyncio.ErrTimeout) {
			return fmt.Errorf("not a timeout: %w", err)
		}
		return exchange(ctx, r, w)
	})
}

func (c *client) chat(ctx context.Context) error {
	return with(ctx, c.addrs.chat, func(r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
		mine := fmt.Sprintf("line %d\n", rand.Uint64())
		if _, err := w.WriteString(mine); err != nil {
			return err
		}
		for line, err := range r.Lines(ctx) {
			if err != nil {
				return err
			}
			if string(line) == mine {
				return nil
			}
		}
		return io.ErrUnexpectedEOF
	})
}

func (c *client) refused(ctx context.Context) error {
	_, w, err := asyncio.OpenConnection(ctx, nobody)
	if err == nil {
		w.Abort()
		return errors.New("somebody was there")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("not refused: %w", err)
	}
	return nil
}
