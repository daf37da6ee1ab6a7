package main

import (
	"context"

	"github.com/go-asyncio/asyncio"
)

// An exception is an error with the text of the original's.
type exception string

func (e exception) Error() string { return string(e) }

const errNotConnected = exception("Not connected")

// A messageHandler handles a line of the server. It may call next for the handlers after it.
type messageHandler = func(ctx context.Context, next func(context.Context, []byte) error, message []byte) error

// A client is a connection to a server that can be made again.
type client struct {
	events
	address         string
	messageHandlers []messageHandler
	protocol        *protocol // nil while there is no connection
}

func newClient(address string) *client { return &client{events: newEvents(), address: address} }

func (c *client) isClosing() bool { return c.protocol == nil || c.protocol.isClosing() }

// connect connects to the server, and triggers the event client_connect. Of several tasks that
// connect at the same time, one keeps its connection.
func (c *client) connect(ctx context.Context) error {
	if !c.isClosing() {
		return nil
	}
	_, p, err := asyncio.CreateConnection(ctx, func() *protocol { return c.newProtocol(ctx) }, c.address)
	if err != nil {
		return err
	}
	if c.protocol != nil {
		p.close()
		return nil
	}
	c.protocol = p
	c.trigger(ctx, event{name: "client_connect"})
	return nil
}

// disconnect hangs up, and waits for the event client_disconnect.
func (c *client) disconnect(ctx context.Context) error {
	if c.protocol == nil {
		return nil
	}
	c.protocol.close()
	_, err := c.wait(ctx, "client_disconnect")
	return err
}

// sendMessage sends a line.
func (c *client) sendMessage(message string) error {
	if c.isClosing() {
		return errNotConnected
	}
	return c.protocol.write([]byte(message))
}

// newProtocol makes the protocol of a connection. Its callbacks get no context: the tasks that they
// create belong to the loop alone.
func (c *client) newProtocol(ctx context.Context) *protocol {
	ctx = asyncio.RunningLoop(ctx).Context(context.Background())
	return &protocol{
		onMessage: func(message []byte) { c.process(ctx, message) },
		onConnectionLost: func(p *protocol, _ error) {
			if p == c.protocol {
				c.trigger(ctx, event{name: "client_disconnect"})
				c.protocol = nil
			}
		},
	}
}

// process calls the message handlers as they are now, each of which decides about the next.
func (c *client) process(ctx context.Context, message []byte) {
	handlers := c.messageHandlers
	var next func(context.Context, []byte) error
	next = func(ctx context.Context, message []byte) error {
		if len(handlers) == 0 {
			return nil
		}
		first := handlers[0]
		handlers = handlers[1:]
		return first(ctx, next, message)
	}
	asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error { return next(ctx, message) }))
}
