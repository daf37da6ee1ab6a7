//go:build unix

package ported_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A tftpClient makes one transfer, and keeps what it sends and receives.
type tftpClient struct {
	t        *testing.T
	out      *strings.Builder
	conn     *net.UDPConn
	server   *net.UDPAddr // the listening socket, and then the socket of the transfer
	received map[string]bool
}

const (
	opRRQ = iota + 1
	opWRQ
	opDATA
	opACK
	opERR
	opOCK
)

func (c *tftpClient) send(packet []byte) {
	c.t.Helper()
	fmt.Fprintf(c.out, "-> %s\n", describe(packet))
	if _, err := c.conn.WriteToUDP(packet, c.server); err != nil {
		c.t.Fatal(err)
	}
}

// request sends an RRQ or WRQ: the name of a file, the mode, and pairs of options and values.
func (c *tftpClient) request(op int, fields ...string) {
	c.t.Helper()
	c.send([]byte(fmt.Sprintf("\x00%c%s\x00", op, strings.Join(fields, "\x00"))))
}

func (c *tftpClient) ack(block int) { c.t.Helper(); c.send(packet(opACK, block, nil)) }

func (c *tftpClient) data(block int, data []byte) { c.t.Helper(); c.send(packet(opDATA, block, data)) }

// expect receives n packets. Unless repeated is set, it overlooks packets that have come before: a
// slow machine makes the server send a packet again.
func (c *tftpClient) expect(n int, repeated bool) {
	c.t.Helper()
	buf := make([]byte, 1<<16)
	for n > 0 {
		size, addr, err := c.conn.ReadFromUDP(buf)
		if err != nil {
			c.t.Fatalf("%v after:\n%s", err, c.out)
		}
		text := describe(buf[:size])
		if c.received[text] && !repeated {
			continue
		}
		c.received[text] = true
		c.server = addr
		fmt.Fprintf(c.out, "<- %s\n", text)
		n--
	}
}

func packet(op, block int, data []byte) []byte {
	p := binary.BigEndian.AppendUint16(nil, uint16(op))
	return append(binary.BigEndian.AppendUint16(p, uint16(block)), data...)
}

func describe(packet []byte) string {
	op := int(packet[1])
	switch op {
	case opDATA:
		data := packet[4:]
		return fmt.Sprintf("DATA %d, %d bytes, %08x", binary.BigEndian.Uint16(packet[2:]), len(data), crc32.ChecksumIEEE(data))
	case opACK:
		return fmt.Sprintf("ACK %d", binary.BigEndian.Uint16(packet[2:]))
	case opERR:
		return fmt.Sprintf("ERR %d %q", binary.BigEndian.Uint16(packet[2:]), packet[4:])
	case opRRQ, opWRQ, opOCK:
		return fmt.Sprintf("%s %q", map[int]string{opRRQ: "RRQ", opWRQ: "WRQ", opOCK: "OCK"}[op], packet[2:])
	}
	return fmt.Sprintf("%q", packet)
}

// A tftpServer is the program, with the transcript of all transfers.
type tftpServer struct {
	t    *testing.T
	p    *program
	addr *net.UDPAddr
	out  strings.Builder
}

// transfer runs a transfer, waits until the server has printed a line with last, and adds the lines
// that it has printed to the transcript.
func (s *tftpServer) transfer(name, last string, body func(c, other *tftpClient)) {
	s.t.Helper()
	fmt.Fprintf(&s.out, "# %s\n", name)
	var clients [2]*tftpClient
	var ports [2]int
	for i := range clients {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			s.t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		ports[i] = conn.LocalAddr().(*net.UDPAddr).Port
		clients[i] = &tftpClient{t: s.t, out: &s.out, conn: conn, server: s.addr, received: make(map[string]bool)}
	}
	s.p.out.Reset()
	body(clients[0], clients[1])
	s.p.until(last)
	s.out.WriteString(strings.NewReplacer(
		fmt.Sprintf("('127.0.0.1', %d)", ports[0]), "CLIENT", fmt.Sprintf("127.0.0.1:%d", ports[0]), "CLIENT",
		fmt.Sprintf("('127.0.0.1', %d)", ports[1]), "OTHER",
	).Replace(s.p.out.String()))
}

func startTFTP(t *testing.T, dir, ackTimeout, connTimeout string) *tftpServer {
	t.Helper()
	p := start(t, dir, "tftp", ackTimeout, connTimeout)
	p.until("Listening...")
	fields := strings.Fields(p.until("listening on"))
	addr, err := net.ResolveUDPAddr("udp4", fields[len(fields)-1])
	if err != nil {
		t.Fatal(err)
	}
	return &tftpServer{t: t, p: p, addr: addr}
}

func TestTFTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	text := bytes.Repeat([]byte("0123456789abcdef"), 64) // two blocks of 512 bytes
	write("small", []byte("hello"))
	write("text", text)
	write("exists", nil)

	s := startTFTP(t, dir, "100", "100")
	readTFTP(s)
	writeTFTP(s, text)
	badTFTP(s)
	impatient := startTFTP(t, dir, "100", "0.3")
	impatient.transfer("nobody acknowledges", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "small", "octet")
		c.expect(1, false)
	})

	for _, name := range []string{"new", "ordered"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&s.out, "# file %s has %d bytes, %08x\n", name, len(got), crc32.ChecksumIEEE(got))
	}
	compare(t, "tftp", s.out.String()+impatient.out.String())
}

func readTFTP(s *tftpServer) {
	s.transfer("a small file", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "small", "octet")
		c.expect(1, false)
		c.ack(1)
	})
	s.transfer("two full blocks", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "text", "octet")
		for i := range 3 {
			c.expect(1, false)
			c.ack(i + 1)
		}
	})
	s.transfer("an old acknowledgement", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "text", "octet")
		c.expect(1, false)
		c.ack(0)
		c.ack(1)
		c.expect(1, false)
		c.ack(1)
		c.ack(2)
		c.expect(1, false)
		c.ack(3)
	})
	s.transfer("options", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "text", "octet", "blksize", "600", "tsize", "0", "unknown", "1", "timeout", "9")
		c.expect(1, false)
		for i := range 3 {
			c.ack(i)
			if i < 2 {
				c.expect(1, false)
			}
		}
	})
	s.transfer("options out of range", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "small", "octet", "blksize", "4", "timeout", "x", "windowsize", "0")
		c.expect(1, false)
		c.ack(1)
	})
	s.transfer("an option above the limit", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "text", "octet", "blksize", "100000")
		c.expect(1, false)
		c.ack(0)
		c.expect(1, false)
		c.ack(1)
	})
	s.transfer("windows", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "text", "octet", "windowsize", "4", "blksize", "100")
		c.expect(1, false)
		c.ack(0)
		c.expect(4, false)
		c.ack(2) // Blocks 3 and 4 are sent again. The next two have a wrong number.
		c.expect(4, true)
		c.ack(5)
		c.expect(4, true)
		c.ack(9)
		c.expect(1, true)
		c.ack(10)
	})
	s.transfer("a packet is sent again", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "small", "octet", "timeout", "1")
		c.expect(2, true)
		c.ack(0)
		c.expect(1, false)
		c.ack(1)
	})
}

func writeTFTP(s *tftpServer, text []byte) {
	s.transfer("a new file", "terminated", func(c, _ *tftpClient) {
		c.request(opWRQ, "new", "octet")
		for i := range 3 {
			c.expect(1, false)
			c.data(i+1, text[i*512:min(len(text), (i+1)*512)])
		}
		c.expect(1, false)
	})
	s.transfer("blocks out of order", "terminated", func(c, _ *tftpClient) {
		c.request(opWRQ, "ordered", "octet", "blksize", "700")
		c.expect(1, false)
		c.data(2, text[700:])
		c.data(1, text[:700])
		c.expect(1, false)
		c.data(1, text[:700])
		c.data(2, text[700:])
		c.expect(1, false)
	})
	// The server takes the size of the packet for that of the block, and waits for another block.
	s.transfer("a last block of nearly full size", "Initiating", func(c, _ *tftpClient) {
		c.request(opWRQ, "nearly", "octet")
		c.expect(1, false)
		c.data(1, make([]byte, 510))
		c.expect(1, false)
	})
	s.transfer("the file exists", "terminated", func(c, _ *tftpClient) {
		c.request(opWRQ, "exists", "octet")
		c.expect(1, false)
	})
}

func badTFTP(s *tftpServer) {
	s.transfer("no file", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "none", "octet")
		c.expect(1, false)
	})
	s.transfer("a file of the system", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "../../../../../etc/passwd", "octet")
		c.expect(1, false)
	})
	s.transfer("a stranger", "terminated", func(c, other *tftpClient) {
		c.request(opRRQ, "small", "octet")
		c.expect(1, false)
		other.server = c.server
		other.ack(1)
		other.expect(2, true)
		c.ack(1)
	})
	s.transfer("an error of the client", "terminated", func(c, _ *tftpClient) {
		c.request(opRRQ, "text", "octet")
		c.expect(1, false)
		c.send(packet(opERR, 0, []byte("enough\x00")))
	})
	s.transfer("no request", "EXCEPTION", func(c, _ *tftpClient) { c.ack(1) })
	s.transfer("no packet", "EXCEPTION", func(c, _ *tftpClient) { c.send([]byte("\x00\x09junk")) })
}
