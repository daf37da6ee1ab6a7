package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// A clientError is an answer that the client does not expect, or an argument that it refuses.
type clientError struct {
	kind    string // the name of the exception
	message string
	item    any // nil if there is none
}

func (e *clientError) Error() string {
	switch item := e.item.(type) {
	case nil:
		return e.kind + ": " + e.message
	case []byte:
		return fmt.Sprintf("%s: %s: %q", e.kind, e.message, item)
	default:
		return fmt.Sprintf("%s: %s: %v", e.kind, e.message, item)
	}
}

func failed(message string, item any) error { return &clientError{"ClientException", message, item} }
func invalid(message string, item any) error {
	return &clientError{"ValidationException", message, item}
}

// A client sends commands to a server.
type client struct {
	pool *pool
}

func newClient(address string, poolSize int) *client {
	return &client{newPool(address, poolSize, poolSize)}
}

func (c *client) close(ctx context.Context) error { return c.pool.clear(ctx) }

// withConnection runs a command on a connection of the pool. A connection on which a command has
// failed is not used again; after one that was cancelled it is, as in the original.
func withConnection[T any](ctx context.Context, c *client, command func(conn *connection) (T, error)) (v T, err error) {
	conn, err := c.pool.acquire(ctx)
	if err != nil {
		return v, err
	}
	defer func() {
		if err != nil && !errors.Is(err, asyncio.ErrCancelled) {
			conn.err = err
		}
		err = errors.Join(err, c.pool.release(conn))
	}()
	return command(conn)
}

// Everything but white space and control characters is allowed in a key.
var validKey = regexp.MustCompile(`^[^\s\x{0}-\x{1F}\x{7F}-\x{9F}\p{Z}]{1,250}\n?$`)

func validateKey(key []byte) error {
	if !validKey.Match(key) {
		return invalid("invalid key", key)
	}
	if bytes.HasSuffix(key, []byte("\n")) {
		return invalid("trailing newline", key)
	}
	return nil
}

// readLine reads a line. At the end of the stream it returns no bytes, as asyncio's readline does.
func (c *connection) readLine(ctx context.Context) ([]byte, error) {
	line, err := c.r.ReadLine(ctx)
	if err == io.EOF {
		return nil, nil
	}
	return line, err
}

// execute sends a command whose answer is a line, and returns the line.
func (c *connection) execute(ctx context.Context, command string) ([]byte, error) {
	if _, err := c.w.WriteString(command); err != nil {
		return nil, err
	}
	if err := c.w.Drain(ctx); err != nil {
		return nil, err
	}
	line, err := c.r.ReadUntil(ctx, "\r\n")
	return bytes.TrimSuffix(line, []byte("\r\n")), err
}

// An entry is a value and the token for cas.
type entry struct {
	value []byte
	token int
}

// multiGet returns the values of the keys that the server has.
func (c *client) multiGet(ctx context.Context, conn *connection, withCAS bool, keys ...[]byte) (map[string]entry, error) {
	received := make(map[string]entry)
	if len(keys) == 0 {
		return received, nil
	}
	seen := make(map[string]bool)
	for _, key := range keys {
		if err := validateKey(key); err != nil {
			return nil, err
		}
		seen[string(key)] = true
	}
	if len(seen) != len(keys) {
		return nil, failed("duplicate keys passed to multi_get", nil)
	}
	command := "get "
	if withCAS {
		command = "gets "
	}
	if _, err := conn.w.WriteString(command + string(bytes.Join(keys, []byte(" "))) + "\r\n"); err != nil {
		return nil, err
	}
	for {
		line, err := conn.readLine(ctx)
		if err != nil || string(line) == "END\r\n" {
			return received, err
		}
		if err := conn.readValue(ctx, line, withCAS, received); err != nil {
			return nil, err
		}
	}
}

// readValue reads the value that a line announces.
func (c *connection) readValue(ctx context.Context, line []byte, withCAS bool, received map[string]entry) error {
	terms := strings.Fields(string(line))
	if len(terms) == 0 || terms[0] != "VALUE" {
		return failed("get failed", line)
	}
	var numbers [3]int // flags, length, token
	for i, term := range terms[2:] {
		var err error
		if numbers[i], err = strconv.Atoi(term); err != nil {
			return err
		}
	}
	data, err := c.r.ReadExactly(ctx, numbers[1]+2)
	if err != nil {
		return err
	}
	if _, ok := received[terms[1]]; ok {
		return failed("duplicate results from server", nil)
	}
	if numbers[0] != 0 {
		return failed("received flags without handler", nil)
	}
	received[terms[1]] = entry{data[:len(data)-2], numbers[2]}
	return nil
}

// get returns the value of a key, or the default.
func (c *client) get(ctx context.Context, key, byDefault []byte) ([]byte, error) {
	return withConnection(ctx, c, func(conn *connection) ([]byte, error) {
		received, err := c.multiGet(ctx, conn, false, key)
		if e, ok := received[string(key)]; ok {
			return e.value, err
		}
		return byDefault, err
	})
}

// gets returns the value of a key with its token, or nil.
func (c *client) gets(ctx context.Context, key []byte) (*entry, error) {
	return withConnection(ctx, c, func(conn *connection) (*entry, error) {
		received, err := c.multiGet(ctx, conn, true, key)
		if e, ok := received[string(key)]; ok {
			return &e, err
		}
		return nil, err
	})
}

// getAll returns the values of several keys, with nil for those that are not there.
func (c *client) getAll(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	return withConnection(ctx, c, func(conn *connection) ([][]byte, error) {
		received, err := c.multiGet(ctx, conn, true, keys...)
		values := make([][]byte, len(keys))
		for i, key := range keys {
			values[i] = received[string(key)].value
		}
		return values, err
	})
}

// stats returns the server's statistics, with nil for an empty one.
func (c *client) stats(ctx context.Context, args string) (map[string][]byte, error) {
	return withConnection(ctx, c, func(conn *connection) (map[string][]byte, error) {
		if _, err := conn.w.WriteString("stats " + args + "\r\n"); err != nil {
			return nil, err
		}
		result := make(map[string][]byte)
		for {
			line, err := conn.readLine(ctx)
			if err != nil || string(line) == "END\r\n" {
				return result, err
			}
			terms := strings.Fields(string(line))
			if len(terms) < 2 || terms[0] != "STAT" {
				return nil, failed("stats failed", line)
			}
			result[terms[1]] = nil
			if len(terms) > 2 {
				result[terms[1]] = []byte(strings.Join(terms[2:], " "))
			}
		}
	})
}

// store is set, add, replace, append, prepend and, with a token, cas.
func (c *client) store(ctx context.Context, command string, key, value []byte, expire, token int) (bool, error) {
	return withConnection(ctx, c, func(conn *connection) (bool, error) {
		if err := validateKey(key); err != nil {
			return false, err
		}
		if expire < 0 {
			return false, invalid("exptime negative", expire)
		}
		cas := ""
		if token != 0 {
			cas = " " + strconv.Itoa(token)
		}
		line := fmt.Sprintf("%s %s 0 %d %d%s\r\n%s\r\n", command, key, expire, len(value), cas, value)
		return conn.expect(ctx, line, "stats "+command+" failed", "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND")
	})
}

// expect sends a command, and reports whether the answer is the first of those that are expected.
func (c *connection) expect(ctx context.Context, command, message string, answers ...string) (bool, error) {
	answer, err := c.execute(ctx, command)
	if err == nil && !slices.Contains(answers, string(answer)) {
		err = failed(message, answer)
	}
	return err == nil && string(answer) == answers[0], err
}

// add adds to the number that is the value of a key, with the command incr or decr.
func (c *client) add(ctx context.Context, command string, key []byte, delta int) (int, error) {
	return withConnection(ctx, c, func(conn *connection) (int, error) {
		if err := validateKey(key); err != nil {
			return 0, err
		}
		answer, err := conn.execute(ctx, fmt.Sprintf("%s %s %d\r\n", command, key, delta))
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(string(answer))
		if err != nil {
			return 0, failed(fmt.Sprintf("Memcached %q command failed", command), answer)
		}
		return n, nil
	})
}

func (c *client) delete(ctx context.Context, key []byte) (bool, error) {
	return withConnection(ctx, c, func(conn *connection) (bool, error) {
		if err := validateKey(key); err != nil {
			return false, err
		}
		return conn.expect(ctx, fmt.Sprintf("delete %s\r\n", key), "Memcached delete failed", "DELETED", "NOT_FOUND")
	})
}

// touch sets the time after which the server forgets a key.
func (c *client) touch(ctx context.Context, key []byte, expire int) (bool, error) {
	return withConnection(ctx, c, func(conn *connection) (bool, error) {
		if err := validateKey(key); err != nil {
			return false, err
		}
		return conn.expect(ctx, fmt.Sprintf("touch %s %d\r\n", key, expire), "Memcached touch failed", "TOUCHED", "NOT_FOUND")
	})
}

func (c *client) version(ctx context.Context) (string, error) {
	return withConnection(ctx, c, func(conn *connection) (string, error) {
		answer, err := conn.execute(ctx, "version\r\n")
		if err != nil {
			return "", err
		}
		number, ok := bytes.CutPrefix(answer, []byte("VERSION "))
		if !ok {
			return "", failed("Memcached version failed", answer)
		}
		return string(number), nil
	})
}

// flushAll makes the server forget everything.
func (c *client) flushAll(ctx context.Context) error {
	_, err := withConnection(ctx, c, func(conn *connection) (bool, error) {
		return conn.expect(ctx, "flush_all\r\n", "Memcached flush_all failed", "OK")
	})
	return err
}
