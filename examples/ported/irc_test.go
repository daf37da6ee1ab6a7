//go:build unix

package ported_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// An ircServer has a conversation with the bot, and keeps the lines that the bot sends.
type ircServer struct {
	t   *testing.T
	ln  *net.TCPListener
	log strings.Builder
}

type ircConn struct {
	server *ircServer
	net.Conn
	lines *bufio.Reader
}

func (s *ircServer) accept() *ircConn {
	s.t.Helper()
	conn, err := s.ln.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return &ircConn{s, conn, bufio.NewReader(conn)}
}

// read keeps the next n lines of the bot.
func (c *ircConn) read(n int) {
	c.server.t.Helper()
	for range n {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			c.server.t.Fatalf("%v after:\n%s", err, &c.server.log)
		}
		fmt.Fprintf(&c.server.log, "> %q\n", line)
	}
}

func (c *ircConn) say(text string) {
	c.server.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.server.t.Fatal(err)
	}
}

// expectEOF waits until the bot closes the connection.
func (c *ircConn) expectEOF() {
	c.server.t.Helper()
	rest, err := io.ReadAll(c.lines)
	fmt.Fprintf(&c.server.log, "> %q, end: %v\n", rest, err)
}

func TestIRC(t *testing.T) {
	t.Parallel()
	ln, host, port := listen(t)
	s := &ircServer{t: t, ln: ln}
	p := start(t, t.TempDir(), "irc", host, port)

	// The bot hangs up.
	c := s.accept()
	c.read(2)
	p.until("session 1: CLIENT_CONNECT")
	c.say("PING :are you there\r\n")
	c.read(1)
	c.say(":srv 375 bot :- news -\r\n:srv 376 bot :end\r\n")
	c.read(1)
	c.say(":bot!b@host JOIN #go\n:srv 353 bot = #go :bot ann\n\r\n:srv 366 bot #go :end\r\n")
	p.until("joined")
	c.say(":ann!a@host PRIVM")
	c.say("SG #go :!echo hello, world\r\nSECRET\r\n:ann!a@host PRIVMSG bot :!race\r\n")
	c.read(2)
	c.say(":bob!b@host PRIVMSG #go :!race\r\nNOTICE bot :unknown\r\n:bob!b@host PRIVMSG #go :!race\r\n")
	c.read(2)
	c.say(":ann!a@host PRIVMSG bot :!quit\r\n")
	c.expectEOF()

	// The server hangs up, in the middle of a line. The bot does not join the channel again: waiting
	// for the first of several events has cancelled the futures of the others.
	c = s.accept()
	c.read(2)
	p.until("session 2: CLIENT_CONNECT")
	c.say("PING :still there\r\nhalf a line")
	c.read(1)
	c.Close()

	// Of two connections that are made at the same time, the bot keeps one.
	var kept, dropped *ircConn
	peeked := make(chan *ircConn)
	for range 2 {
		c := s.accept()
		go func() {
			_, _ = c.lines.Peek(1)
			peeked <- c
		}()
	}
	for range 2 {
		if c := <-peeked; c.lines.Buffered() > 0 {
			kept = c
		} else {
			dropped = c
		}
	}
	if kept == nil || dropped == nil {
		t.Fatal("the bot keeps both connections, or none")
	}
	dropped.expectEOF()
	kept.read(2)
	p.until("connected twice")
	kept.Close()

	out := p.wait()
	compare(t, "irc", "The bot printed:\n"+out+"The server received:\n"+s.log.String())
}
