package asyncio

import "runtime/debug"

// A Protocol is the callbacks of a connection. Its transport calls them, in this order:
// ConnectionMade once, DataReceived any number of times, EOFReceived once or never, and
// ConnectionLost once. They are called as callbacks of the loop, outside of any task, so they must
// not suspend. A panic in one is reported to the exception handler and aborts the connection.
//
// A protocol that embeds BaseProtocol needs only the methods that it is interested in. One that has
// the methods of a FlowControlProtocol or a BufferedProtocol, too, gets those calls as well. It is
// asyncio's Protocol.
type Protocol interface {
	// ConnectionMade is called when the connection is made, and with TLS when the handshake is done.
	ConnectionMade(t *Transport)

	// DataReceived is called with bytes that have come from the peer. They are valid until it
	// returns: a protocol that keeps them makes a copy.
	DataReceived(data []byte)

	// EOFReceived is called when the peer has ended its side. It returns whether to keep the
	// connection open, so that the protocol can go on writing; otherwise the transport closes. TLS
	// and pipes close in any case.
	EOFReceived() (keepOpen bool)

	// ConnectionLost is called when the connection is closed. err is nil if that was at the
	// program's wish or at the peer's regular end, and otherwise what broke the connection: a
	// *net.OpError, or the *PanicError of a callback.
	ConnectionLost(err error)
}

// A FlowControlProtocol is a Protocol, or a SubprocessProtocol, that learns whether its peer keeps
// up. It is a part of asyncio's BaseProtocol.
type FlowControlProtocol interface {
	// PauseWriting is called, within the Write that does it, when more than the high water mark
	// is kept.
	PauseWriting()

	// ResumeWriting is called when no more than the low water mark is kept any longer.
	ResumeWriting()
}

// A BufferedProtocol is a Protocol that receives into memory of its own. It gets these calls in
// the place of DataReceived. It is asyncio's BufferedProtocol.
type BufferedProtocol interface {
	Protocol

	// GetBuffer returns memory to receive into, which must not be empty. sizeHint is the size that
	// would be best, or -1. It may be called again before BufferUpdated, if nothing has come.
	GetBuffer(sizeHint int) []byte

	// BufferUpdated is called when n bytes were received into the memory.
	BufferUpdated(n int)
}

// A BaseProtocol has the methods of a Protocol, none of which does anything, for protocols to
// embed. Its EOFReceived lets the transport close. It is what asyncio's class Protocol has.
type BaseProtocol struct{}

// ConnectionMade does nothing.
func (BaseProtocol) ConnectionMade(*Transport) {}

// DataReceived does nothing.
func (BaseProtocol) DataReceived([]byte) {}

// EOFReceived returns false.
func (BaseProtocol) EOFReceived() bool { return false }

// ConnectionLost does nothing.
func (BaseProtocol) ConnectionLost(error) {}

// checkFactory panics if there is no function that makes protocols.
func checkFactory(isNil bool) {
	if isNil {
		panic("asyncio: nil protocol factory")
	}
}

// reportCallback is deferred around a call of a protocol: it reports a panic.
func reportCallback(l *Loop, callback string) {
	if r := recover(); r != nil {
		_ = l.reportPanic(callback, r)
	}
}

// reportPanic reports a panic of a protocol's callback, and returns it as an error.
func (l *Loop) reportPanic(callback string, panicked any) error {
	err := &PanicError{panicked, debug.Stack()}
	l.report(ExceptionContext{Message: "panic in " + callback + " of a protocol", Err: err})
	return err
}
