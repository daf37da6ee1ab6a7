package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-asyncio/asyncio"
)

// A protocol splits what a server sends into lines.
type protocol struct {
	asyncio.BaseProtocol
	onMessage        func(message []byte)
	onConnectionLost func(p *protocol, err error)
	transport        *asyncio.Transport // nil while there is no connection
	buffer           []byte
}

func (p *protocol) ConnectionMade(t *asyncio.Transport) {
	if p.transport != nil {
		panic(fmt.Sprintf("connected to %v already", p.transport.RemoteAddr()))
	}
	p.transport = t
}

func (p *protocol) ConnectionLost(err error) {
	if t := p.transport; t != nil {
		p.transport = nil
		p.onConnectionLost(p, err)
		_ = t.Close()
	}
}

// DataReceived accepts lines with and without a carriage return.
func (p *protocol) DataReceived(data []byte) {
	p.buffer = append(p.buffer, data...)
	for {
		line, rest, found := bytes.Cut(p.buffer, []byte("\n"))
		if !found {
			return
		}
		p.buffer = rest
		p.onMessage(bytes.Clone(bytes.TrimSpace(line)))
	}
}

var errProtocol = errors.New("protocol not connected")

// write sends a message as a line.
func (p *protocol) write(message []byte) error {
	if p.isClosing() {
		return errProtocol
	}
	_, err := p.transport.Write(append(bytes.TrimSpace(message), "\r\n"...))
	return err
}

func (p *protocol) close() {
	if p.transport != nil {
		_ = p.transport.Close()
	}
}

func (p *protocol) isClosing() bool { return p.transport == nil || p.transport.IsClosing() }
