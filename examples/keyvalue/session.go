package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// maxReplies is the number of bytes of replies that a session writes at once.
const maxReplies = 64 << 10

// A session serves a client.
type session struct {
	asyncio.BaseProtocol
	values    map[string]string // of all sessions
	transport *asyncio.Transport
	input     []byte // received, and not executed yet
	full      bool   // the client does not read its replies
}

func (s *session) ConnectionMade(t *asyncio.Transport) { s.transport = t }

func (s *session) DataReceived(data []byte) {
	s.input = append(s.input, data...)
	s.execute()
}

// PauseWriting is called within Write, and so within execute.
func (s *session) PauseWriting() {
	s.full = true
	s.transport.PauseReading()
}

func (s *session) ResumeWriting() {
	s.full = false
	s.transport.ResumeReading()
	s.execute()
}

// execute executes the commands of the input, while the client reads the replies.
func (s *session) execute() {
	rest := s.input
	var replies []byte
	for !s.full && !s.transport.IsClosing() {
		command, size, err := parse(rest)
		if err != nil {
			s.transport.Write(fmt.Appendf(replies, "-ERR %v\r\n", err))
			s.transport.Close()
			return
		}
		if size == 0 { // more has to come
			break
		}
		rest = rest[size:]
		if len(command) == 0 {
			continue
		}
		name := strings.ToUpper(command[0])
		replies = append(replies, s.answer(name, command[1:])...)
		if len(replies) > maxReplies || name == "QUIT" {
			s.transport.Write(replies)
			replies = replies[:0]
		}
		if name == "QUIT" {
			s.transport.Close()
		}
	}
	if len(replies) > 0 {
		s.transport.Write(replies)
	}
	s.input = append(s.input[:0], rest...)
}

// answer executes a command and returns the reply.
func (s *session) answer(name string, args []string) string {
	switch {
	case name == "PING" && len(args) == 0:
		return "+PONG\r\n"
	case name == "QUIT":
		return "+OK\r\n"
	case name == "ECHO" && len(args) == 1:
		return bulk(args[0])
	case name == "SET" && len(args) == 2:
		s.values[args[0]] = args[1]
		return "+OK\r\n"
	case name == "GET" && len(args) == 1:
		if v, ok := s.values[args[0]]; ok {
			return bulk(v)
		}
		return "$-1\r\n"
	case name == "DEL":
		before := len(s.values)
		for _, key := range args {
			delete(s.values, key)
		}
		return fmt.Sprintf(":%d\r\n", before-len(s.values))
	case name == "INCR" && len(args) == 1:
		return s.increment(args[0])
	}
	return fmt.Sprintf("-ERR unknown command '%s', or a wrong number of arguments\r\n", name)
}

func (s *session) increment(key string) string {
	n := 0
	if v, ok := s.values[key]; ok {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			return "-ERR value is not an integer\r\n"
		}
	}
	s.values[key] = strconv.Itoa(n + 1)
	return fmt.Sprintf(":%d\r\n", n+1)
}

func bulk(v string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(v), v) }
