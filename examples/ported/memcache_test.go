//go:build unix

package ported_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A memcached is a server of as much of memcached's protocol as the test needs. Some keys make it
// misbehave.
type memcached struct {
	mu          sync.Mutex
	items       map[string]item
	cas         int
	connections int // so far
}

type item struct {
	value string
	flags int
	cas   int
}

func (m *memcached) serve(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		m.mu.Lock()
		m.connections++
		m.mu.Unlock()
		go func() {
			defer conn.Close()
			r := bufio.NewReader(conn)
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				reply, goOn := m.answer(strings.Fields(line), r)
				if _, err := io.WriteString(conn, reply); err != nil || !goOn {
					return
				}
			}
		}()
	}
}

// answer carries out a command, and reports whether the connection stays open.
func (m *memcached) answer(words []string, r io.Reader) (reply string, goOn bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	command, args := words[0], words[1:]
	switch command {
	case "version":
		return "VERSION 1.6.0 (test)\r\n", true
	case "flush_all":
		m.items = map[string]item{"flags": {value: "x", flags: 1}}
		return "OK\r\n", true
	case "get", "gets":
		return m.get(command, args)
	case "set", "add", "replace", "append", "prepend", "cas":
		n, _ := strconv.Atoi(args[3])
		data := make([]byte, n+2)
		if _, err := io.ReadFull(r, data); err != nil {
			return "", false
		}
		return m.store(command, args, string(data[:n])), true
	case "incr", "decr":
		it, ok := m.items[args[0]]
		if !ok {
			return "NOT_FOUND\r\n", true
		}
		n, err := strconv.Atoi(it.value)
		if err != nil {
			return "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", true
		}
		delta, _ := strconv.Atoi(args[1])
		if command == "decr" {
			delta = -delta
		}
		m.put(args[0], strconv.Itoa(n+delta))
		return fmt.Sprintf("%d\r\n", n+delta), true
	case "delete", "touch":
		if _, ok := m.items[args[0]]; !ok {
			return "NOT_FOUND\r\n", true
		}
		if command == "touch" {
			return "TOUCHED\r\n", true
		}
		delete(m.items, args[0])
		return "DELETED\r\n", true
	case "stats":
		switch {
		case len(args) == 0:
			return "STAT threads 4\r\nSTAT empty\r\nSTAT libevent 2.1 stable\r\nEND\r\n", true
		case args[0] == "connections":
			return fmt.Sprintln(m.connections), true
		}
		return "CLIENT_ERROR no such stats\r\n", true
	}
	return "ERROR\r\n", true
}

func (m *memcached) get(command string, keys []string) (reply string, goOn bool) {
	var b strings.Builder
	for _, key := range keys {
		switch key {
		case "error":
			return "SERVER_ERROR out of order\r\n", true
		case "drop":
			return "", false
		case "hang":
			return "", true
		}
		if it, ok := m.items[key]; ok {
			fmt.Fprintf(&b, "VALUE %s %d %d", key, it.flags, len(it.value))
			if command == "gets" {
				fmt.Fprintf(&b, " %d", it.cas)
			}
			fmt.Fprintf(&b, "\r\n%s\r\n", it.value)
		}
	}
	return b.String() + "END\r\n", true
}

func (m *memcached) store(command string, args []string, value string) string {
	key := args[0]
	it, ok := m.items[key]
	switch {
	case len(value) > 1000:
		return "SERVER_ERROR object too large for cache\r\n"
	case command == "cas" && !ok:
		return "NOT_FOUND\r\n"
	case command == "cas" && args[4] != strconv.Itoa(it.cas):
		return "EXISTS\r\n"
	case command == "add" && ok, command == "replace" && !ok,
		command == "append" && !ok, command == "prepend" && !ok:
		return "NOT_STORED\r\n"
	case command == "append":
		value = it.value + value
	case command == "prepend":
		value += it.value
	}
	m.put(key, value)
	return "STORED\r\n"
}

func (m *memcached) put(key, value string) {
	m.cas++
	m.items[key] = item{value: value, cas: m.cas}
}

func TestMemcache(t *testing.T) {
	t.Parallel()
	ln, host, port := listen(t)
	m := &memcached{}
	go m.serve(ln)
	out := start(t, t.TempDir(), "memcache", host, port).wait()

	// By the time that this connection is accepted, all those of the program have been.
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "stats connections\n"); err != nil {
		t.Fatal(err)
	}
	count, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "memcache", out+"connections, with that of the test: "+count)
}
