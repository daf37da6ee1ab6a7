package main

import (
	"context"

	"github.com/go-asyncio/asyncio"
)

// A connection belongs to one task at a time.
type connection struct {
	r *asyncio.StreamReader
	w *asyncio.StreamWriter
	// err is set after a command that failed: what the server sends next is unknown.
	err error
}

func (c *connection) isBroken() bool { return c.r.AtEOF() || c.err != nil }

// A pool has up to maxSize connections.
type pool struct {
	address          string
	minSize, maxSize int
	idle             *asyncio.Queue[*connection]
	inUse            map[*connection]struct{}
}

func newPool(address string, minSize, maxSize int) *pool {
	return &pool{address, minSize, maxSize, asyncio.NewQueue[*connection](0), make(map[*connection]struct{})}
}

// clear closes the connections that are not in use.
func (p *pool) clear(ctx context.Context) error {
	for !p.idle.Empty() {
		conn, err := p.idle.Get(ctx)
		if err != nil {
			return err
		}
		_ = conn.w.Close()
	}
	return nil
}

// acquire returns a connection. It makes new ones as long as there are fewer than minSize, and waits
// for one to be released if there are maxSize.
func (p *pool) acquire(ctx context.Context) (*connection, error) {
	for p.size() == 0 || p.size() < p.minSize {
		conn, err := p.connect(ctx)
		if err != nil {
			return nil, err
		}
		if conn == nil {
			break
		}
		if err := p.idle.PutNowait(conn); err != nil {
			return nil, err
		}
	}
	var conn *connection
	for conn == nil {
		var err error
		if conn, err = p.idle.Get(ctx); err != nil {
			return nil, err
		}
		if conn.isBroken() {
			_ = conn.w.Close()
			if conn, err = p.connect(ctx); err != nil {
				return nil, err
			}
		}
	}
	p.inUse[conn] = struct{}{}
	return conn, nil
}

// release gives a connection back.
func (p *pool) release(conn *connection) error {
	delete(p.inUse, conn)
	if conn.isBroken() {
		return conn.w.Close()
	}
	return p.idle.PutNowait(conn)
}

// connect returns a new connection, or nil if there are enough.
func (p *pool) connect(ctx context.Context) (*connection, error) {
	if p.size() >= p.maxSize {
		return nil, nil
	}
	r, w, err := asyncio.OpenConnection(ctx, p.address)
	if err != nil {
		return nil, err
	}
	if p.size() >= p.maxSize { // another task has connected meanwhile
		return nil, w.Close()
	}
	return &connection{r: r, w: w}, nil
}

func (p *pool) size() int { return p.idle.QSize() + len(p.inUse) }
