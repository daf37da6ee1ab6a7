package main

import (
	"context"

	"github.com/go-asyncio/asyncio"
)

// echoProtocol sends back the bytes that it receives.
type echoProtocol struct {
	asyncio.BaseProtocol
	transport *asyncio.Transport
}

func (p *echoProtocol) ConnectionMade(t *asyncio.Transport) { p.transport = t }

func (p *echoProtocol) DataReceived(data []byte) { _, _ = p.transport.Write(data) }

func serveProtocol(ctx context.Context) (*asyncio.Server, error) {
	return asyncio.CreateServer(ctx, func() *echoProtocol { return new(echoProtocol) }, "127.0.0.1:0")
}
