// Memcache sends the commands of a memcached server, and prints the answers.
//
//	go run ./examples/ported/memcache HOST PORT
//
// The client is a port of aiomcache (github.com/aio-libs/aiomcache, BSD), without its handlers of
// flags.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: memcache HOST PORT")
		os.Exit(2)
	}
	s := &session{client: newClient(net.JoinHostPort(os.Args[1], os.Args[2]), 2)}
	if _, err := asyncio.Run(context.Background(), asyncio.Do(s.run), asyncio.WithInterrupt()); err != nil {
		fmt.Fprintln(os.Stderr, "memcache:", err)
		os.Exit(1)
	}
}

// A session prints what the commands of the client return.
type session struct {
	*client
	err error // the first error that is not the client's
}

func (s *session) run(ctx context.Context) error {
	s.values(ctx)
	s.numbers(ctx)
	s.mistakes(ctx)
	s.failures(ctx)
	s.concurrent(ctx)
	return errors.Join(s.err, s.close(ctx))
}

// An outcome is the result of a command, or its error.
type outcome struct {
	value any
	err   error
}

func of[T any](value T, err error) outcome { return outcome{value, err} }

func (s *session) show(name string, o outcome) {
	if _, ok := errors.AsType[*clientError](o.err); ok {
		o.value = o.err.Error()
	} else if o.err != nil {
		s.err = cmp.Or(s.err, fmt.Errorf("%s: %w", name, o.err))
		return
	}
	fmt.Printf("%s: %s\n", name, format(o.value))
}

// format formats a value, with none for one that is not there.
func format(value any) string {
	switch v := value.(type) {
	case nil:
		return "none"
	case []byte:
		if v == nil {
			return "none"
		}
		return string(v)
	case [][]byte:
		var texts []string
		for _, value := range v {
			texts = append(texts, format(value))
		}
		return "(" + strings.Join(texts, ", ") + ")"
	case *entry:
		if v == nil {
			return "(none, none)"
		}
		return fmt.Sprintf("(%s, %d)", v.value, v.token)
	}
	return fmt.Sprint(value)
}

func (s *session) set(ctx context.Context, key, value string) (bool, error) {
	return s.store(ctx, "set", []byte(key), []byte(value), 0, 0)
}

func (s *session) values(ctx context.Context) {
	a, b, c := []byte("a"), []byte("b"), []byte("c")
	s.show("version", of(s.version(ctx)))
	s.show("flush_all", outcome{nil, s.flushAll(ctx)})
	s.show("set a", of(s.set(ctx, "a", "1")))
	s.show("get a", of(s.get(ctx, a, nil)))
	s.show("get b", of(s.get(ctx, b, nil)))
	s.show("get b or 2", of(s.get(ctx, b, []byte("2"))))
	s.show("add a", of(s.store(ctx, "add", a, []byte("3"), 0, 0)))
	s.show("add b", of(s.store(ctx, "add", b, []byte("4"), 0, 0)))
	s.show("replace b", of(s.store(ctx, "replace", b, []byte("two\nlines"), 0, 0)))
	s.show("replace c", of(s.store(ctx, "replace", c, []byte("5"), 0, 0)))
	s.show("append b", of(s.store(ctx, "append", b, []byte(" end"), 0, 0)))
	s.show("prepend b", of(s.store(ctx, "prepend", b, []byte("begin "), 0, 0)))
	s.show("get b", of(s.get(ctx, b, nil)))
	s.show("multi_get a b c", of(s.getAll(ctx, a, b, c)))
	s.show("multi_get a a", of(s.getAll(ctx, a, a)))
	s.show("multi_get", of(s.getAll(ctx)))
}

func (s *session) numbers(ctx context.Context) {
	a, b, c := []byte("a"), []byte("b"), []byte("c")
	got, err := s.gets(ctx, a)
	s.show("gets a", of(got, err))
	s.show("gets c", of(s.gets(ctx, c)))
	s.show("cas a", of(s.store(ctx, "cas", a, []byte("10"), 0, got.token)))
	s.show("cas a again", of(s.store(ctx, "cas", a, []byte("11"), 0, got.token)))
	s.show("incr a", of(s.add(ctx, "incr", a, 5)))
	s.show("decr a", of(s.add(ctx, "decr", a, 1)))
	s.show("incr b", of(s.add(ctx, "incr", b, 1)))
	s.show("decr c", of(s.add(ctx, "decr", c, 1)))
	s.show("touch a", of(s.touch(ctx, a, 60)))
	s.show("touch c", of(s.touch(ctx, c, 60)))
	s.show("delete a", of(s.delete(ctx, a)))
	s.show("delete a", of(s.delete(ctx, a)))
}

// mistakes are commands that the client refuses to send.
func (s *session) mistakes(ctx context.Context) {
	s.show("an empty key", of(s.get(ctx, nil, nil)))
	s.show("a space", of(s.get(ctx, []byte("a b"), nil)))
	s.show("a newline", of(s.set(ctx, "a\n", "1")))
	s.show("a long key", of(s.delete(ctx, bytes.Repeat([]byte("k"), 251))))
	s.show("a negative time", of(s.store(ctx, "set", []byte("a"), []byte("1"), -1, 0)))
}

// failures are commands that the server does not carry out.
func (s *session) failures(ctx context.Context) {
	s.show("too large", of(s.set(ctx, "large", strings.Repeat("x", 2000))))
	s.show("flags", of(s.get(ctx, []byte("flags"), nil)))
	s.show("an error", of(s.get(ctx, []byte("error"), nil)))
	s.show("the end", of(s.get(ctx, []byte("drop"), nil)))
	stats, err := s.stats(ctx, "")
	s.err = cmp.Or(s.err, err)
	for _, name := range slices.Sorted(maps.Keys(stats)) {
		s.show("stats "+name, outcome{stats[name], nil})
	}
	s.show("stats x", of(s.stats(ctx, "x")))
}

// concurrent sends more commands at the same time than the pool has connections.
func (s *session) concurrent(ctx context.Context) {
	var sets []asyncio.Coro[bool]
	var gets []asyncio.Coro[[]byte]
	for i := range 6 {
		key := fmt.Sprintf("g%d", i)
		sets = append(sets, func(ctx context.Context) (bool, error) { return s.set(ctx, key, "value of "+key) })
		gets = append(gets, func(ctx context.Context) ([]byte, error) { return s.get(ctx, []byte(key), nil) })
	}
	stored, err := asyncio.Gather(ctx, sets...).Await(ctx)
	s.err = cmp.Or(s.err, err)
	fmt.Println("sets:", strings.Trim(fmt.Sprint(stored), "[]"))
	values, err := asyncio.Gather(ctx, gets...).Await(ctx)
	s.err = cmp.Or(s.err, err)
	fmt.Printf("gets: %s\n", bytes.Join(values, []byte(" ")))

	hang := asyncio.Coro[[]byte](func(ctx context.Context) ([]byte, error) { return s.get(ctx, []byte("hang"), nil) })
	if _, err := asyncio.WaitFor(ctx, hang, 50*time.Millisecond); errors.Is(err, asyncio.ErrTimeout) {
		fmt.Println("hang: timeout")
	}
	s.show("get g0", of(s.get(ctx, []byte("g0"), nil)))
	s.show("get g1", of(s.get(ctx, []byte("g1"), nil)))
}
