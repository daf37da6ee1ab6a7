package asyncio

import "runtime/debug"

// A Protocol is a set of callbacks for a connection. Its transport calls them, in this order:
// ConnectionMade once, DataReceived any number of times, EOFReceived at most once, and
// ConnectionLost once. They run as callbacks of the loop, outside of any task, so they must not
// suspend. A panic in a callback is reported to the exception handler and aborts the connection.
// When the loop closes, it closes the connection and calls no callback, as in asyncio.
//
// A protocol that embeds BaseProtocol defines only the methods that it needs. If a protocol also
// has the methods of a FlowControlProtocol or a BufferedProtocol, the transport calls those as
// well. It is asyncio's Protocol.
type Protocol interface {
	// ConnectionMade is called when the connection is ready: with TLS, after the handshake.
	ConnectionMade(t *Transport)

	// DataReceived is called with bytes from the peer. They are valid until it returns: a protocol
	// that keeps them makes a copy.
	DataReceived(data []byte)

	// EOFReceived is called when the peer has ended its side. If it returns true, the connection
	// stays open, and the protocol can go on writing. If it returns false, the transport closes. A
	// TLS connection and a pipe close in either case.
	EOFReceived() (keepOpen bool)

	// ConnectionLost is called when the connection is closed. err is nil if the program closed or
	// aborted the transport, or the peer ended its side regularly. Otherwise err is the error that
	// broke the connection, such as a *net.OpError, or the *PanicError of a callback.
	ConnectionLost(err error)
}

// A FlowControlProtocol is notified when the peer does not keep up with the bytes written. A
// Protocol, a DatagramProtocol or a SubprocessProtocol may have these methods. A panic in one of
// them is reported, and the connection goes on. It is a part of asyncio's BaseProtocol.
type FlowControlProtocol interface {
	// PauseWriting is called when the transport keeps more unsent bytes than the high water mark,
	// before the Write that exceeds the mark returns.
	PauseWriting()

	// ResumeWriting is called after PauseWriting, when the transport no longer keeps more than the
	// low water mark.
	ResumeWriting()
}

// A BufferedProtocol is a Protocol that receives into its own memory. Its transport calls GetBuffer
// and BufferUpdated instead of DataReceived. It is asyncio's BufferedProtocol.
type BufferedProtocol interface {
	Protocol

	// GetBuffer returns the memory to receive into, which must not be empty. sizeHint is the
	// recommended size, or -1. It may be called again before BufferUpdated, if no bytes have come.
	// If it closes or pauses the transport, nothing is received.
	GetBuffer(sizeHint int) []byte

	// BufferUpdated is called when n bytes have been received into the memory.
	BufferUpdated(n int)
}

// A BaseProtocol implements Protocol with methods that do nothing. Protocols embed it. Its
// EOFReceived lets the transport close. It corresponds to the methods of asyncio's class Protocol.
type BaseProtocol struct{}

// ConnectionMade does nothing.
func (BaseProtocol) ConnectionMade(*Transport) {}

// DataReceived does nothing.
func (BaseProtocol) DataReceived([]byte) {}

// EOFReceived returns false.
func (BaseProtocol) EOFReceived() bool { return false }

// ConnectionLost does nothing.
func (BaseProtocol) ConnectionLost(error) {}

// checkFactory panics if the function that makes protocols is nil.
func checkFactory(isNil bool) {
	if isNil {
		panic("asyncio: nil protocol factory")
	}
}

// makeProtocol calls a factory. It panics if that returns nil.
func makeProtocol[P any](factory func() P) P {
	p := factory()
	checkProtocol(any(p) == nil)
	return p
}

// checkProtocol panics if a protocol is nil.
func checkProtocol(isNil bool) {
	if isNil {
		panic("asyncio: nil protocol")
	}
}

// reportCallback is deferred around a call of a transport's protocol and reports a panic.
func reportCallback(l *Loop, callback string, transport, protocol any) {
	if r := recover(); r != nil {
		_ = l.reportPanic(callback, r, transport, protocol)
	}
}

// reportPanic reports a panic of a protocol's callback, and returns it as an error.
func (l *Loop) reportPanic(callback string, panicked, transport, protocol any) error {
	err := &PanicError{panicked, debug.Stack()}
	l.report(ExceptionContext{
		Message: "panic in " + callback + " of a protocol",
		Err:     err,
		Extra:   map[string]any{"transport": transport, "protocol": protocol},
	})
	return err
}
