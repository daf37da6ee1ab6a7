package main

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// An exception is an error with the text of the original's.
type exception string

func (e exception) Error() string { return string(e) }

const (
	errBadPacket      = exception("Cannot create packet from raw bytes, unknown packet type.")
	errBadRequest     = exception("Could not parse request")
	errIncompatible   = exception("Received incompatible request, ignoring.")
	errUnacknowledged = exception("Requested value outside of RFC-spec range")
)

// The kinds of packets.
const (
	opRRQ = iota + 1
	opWRQ
	opDATA
	opACK
	opERR
	opOCK
)

// A packet is a parsed datagram. Which fields it has depends on op.
type packet struct {
	op    int
	name  string   // of the file of a request
	opts  []option // that are acknowledged, in the order of the request
	block int
	data  []byte // part of the datagram
}

// An option is a name and a value, as they are sent.
type option struct {
	name, value string
}

func parsePacket(data []byte) (packet, error) {
	if len(data) < 2 || data[0] != 0 || data[1] < opRRQ || data[1] > opOCK {
		return packet{}, errBadPacket
	}
	p := packet{op: int(data[1])}
	switch p.op {
	case opRRQ, opWRQ:
		return p, p.parseRequest(string(data[2:]))
	case opDATA, opACK:
		for _, b := range data[2:min(len(data), 4)] {
			p.block = p.block<<8 | int(b)
		}
		p.data = data[min(len(data), 4):]
	}
	return p, nil
}

// parseRequest parses the name of a file, a mode and options, each with a NUL behind it.
func (p *packet) parseRequest(text string) error {
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == 0 })
	if len(fields) < 2 {
		return fmt.Errorf("%w: %q", errBadRequest, text)
	}
	p.name = fields[0]
	for opts := fields[2:]; len(opts) >= 2; opts = opts[2:] {
		if parse, ok := parsers[opts[0]]; ok {
			if value, err := parse(opts[1]); err == nil {
				p.opts = append(p.opts, option{opts[0], value})
			}
		}
	}
	return nil
}

// parsers are the options that the server knows. A parser returns the value to acknowledge.
var parsers = map[string]func(value string) (string, error){
	"blksize":    func(value string) (string, error) { return parseInt(value, 8, 65464) },
	"timeout":    parseTimeout,
	"tsize":      func(value string) (string, error) { _, err := strconv.Atoi(value); return value, err },
	"windowsize": func(value string) (string, error) { return parseInt(value, 1, 65535) },
}

func parseInt(value string, low, high int) (string, error) {
	n, err := strconv.Atoi(value)
	if err == nil && n < low {
		err = errUnacknowledged
	}
	return strconv.Itoa(min(n, high)), err
}

func parseTimeout(value string) (string, error) {
	s, err := strconv.ParseFloat(value, 64)
	if err == nil && !(1 <= s && s <= 255) {
		err = errUnacknowledged
	}
	return pyFloat(s), err
}

func dataPacket(block int, data []byte) []byte {
	return append(numbered(opDATA, block), data...)
}

func ackPacket(block int) []byte { return numbered(opACK, block) }

func optionsPacket(opts []option) []byte {
	p := []byte{0, opOCK}
	for _, o := range opts {
		p = append(append(p, o.name...), 0)
		p = append(append(p, o.value...), 0)
	}
	return p
}

func errorPacket(code int, message string) []byte {
	return append(append(numbered(opERR, code), message...), 0)
}

func numbered(op, n int) []byte {
	return binary.BigEndian.AppendUint16([]byte{0, byte(op)}, uint16(n))
}
