package main

import (
	"net"
	"strconv"
	"time"

	"github.com/go-asyncio/asyncio"
)

// Options are the options of a transfer.
type options struct {
	timeout     time.Duration // after which a packet is sent again
	connTimeout time.Duration // after which the transfer is given up
	blockSize   int
	windowSize  int
}

// A transfer is what reading and writing have in common: a protocol on a socket of its own.
type transfer struct {
	loop        *asyncio.Loop
	side        side
	request     packet
	remote      net.Addr
	opts        options
	transport   *asyncio.DatagramTransport
	counter     int // number of the current block
	retransmits []*asyncio.TimerHandle
	connTimer   *asyncio.TimerHandle
}

// A side is the part of a transfer that depends on its direction.
type side interface {
	// initialize opens the file.
	initialize() error
	// next returns the next packet to send.
	next() ([]byte, error)
	// received handles a packet from any address.
	received(p packet, addr net.Addr) error
	// close closes the file.
	close()
}

// setOptions applies the options that the client asked for.
func (t *transfer) setOptions() {
	for _, o := range t.request.opts {
		switch o.name {
		case "blksize":
			t.opts.blockSize, _ = strconv.Atoi(o.value)
		case "windowsize":
			t.opts.windowSize, _ = strconv.Atoi(o.value)
		case "timeout":
			s, _ := strconv.ParseFloat(o.value, 64)
			t.opts.timeout = asyncio.Seconds(s)
		}
	}
}

// ConnectionMade sends the first packet: an acknowledgement of the options, the first packet of the
// transfer, or an error.
func (t *transfer) ConnectionMade(transport *asyncio.DatagramTransport) {
	t.transport = transport
	t.setOptions()
	err := t.side.initialize()
	var first []byte
	if err == nil && len(t.request.opts) > 0 {
		t.counter = 0
		first = optionsPacket(t.request.opts)
	} else if err == nil {
		first, err = t.side.next()
	}
	if err == nil {
		t.sendOpening(first)
		return
	}
	message, first := fileError(err)
	if first == nil {
		t.report(err)
		return
	}
	log.Printf("[ERROR] "+message, pyBytes(t.request.name))
	t.sendOpening(first)
	t.giveUp()
}

// DatagramReceived hands a packet to the side.
func (t *transfer) DatagramReceived(data []byte, addr net.Addr) {
	p, err := parsePacket(data)
	if err == nil {
		err = t.side.received(p, addr)
	}
	if err != nil {
		t.report(err)
	}
}

func (t *transfer) report(err error) {
	t.loop.CallExceptionHandler(asyncio.ExceptionContext{Message: "transfer failed", Err: err})
}

// ErrorReceived gives the transfer up when the socket reports an error.
func (t *transfer) ErrorReceived(err error) {
	t.stopTimers()
	_ = t.transport.Close()
	log.Printf("[ERROR] Error receiving packet from %s: %v. Transfer of %q aborted.", pyAddr(t.remote), err, pyBytes(t.request.name))
}

// ConnectionLost tidies up.
func (t *transfer) ConnectionLost(err error) {
	t.stopTimers()
	t.side.close()
	if err != nil {
		log.Printf("[ERROR] Error on connection lost: %v.", err)
	} else {
		log.Printf("[INFO] Connection to %s terminated", t.remote)
	}
}

// sendOpening sends the first packet, and begins to count the time of the transfer.
func (t *transfer) sendOpening(packet []byte) {
	t.reply(packet)
	t.connTimer = t.loop.CallLater(t.opts.connTimeout, t.timeOut)
}

// reply sends a packet again and again, until the timers are stopped.
func (t *transfer) reply(packet []byte) {
	_ = t.transport.SendTo(packet, t.remote) // it will be sent again
	retransmit := t.loop.CallLater(t.opts.timeout, func() { t.reply(packet) })
	if t.opts.windowSize == 1 {
		t.retransmits = t.retransmits[:0]
	}
	t.retransmits = append(t.retransmits, retransmit)
}

// giveUp ends the transfer after an error packet.
func (t *transfer) giveUp() {
	log.Printf("[INFO] Closing connection to %s due to error. %q Not transmitted.", pyAddr(t.remote), pyBytes(t.request.name))
	t.stopTimers()
	t.loop.CallSoon(func() { _ = t.transport.Close() })
}

func (t *transfer) stopRetransmits() {
	for _, retransmit := range t.retransmits {
		retransmit.Cancel()
	}
	t.retransmits = nil
}

func (t *transfer) stopTimers() {
	t.stopRetransmits()
	if t.connTimer != nil {
		t.connTimer.Cancel()
	}
}

// timeOut ends a transfer whose client is silent.
func (t *transfer) timeOut() {
	log.Printf("[ERROR] Connection to %s timed out, %q not transfered", pyAddr(t.remote), pyBytes(t.request.name))
	t.stopRetransmits()
	_ = t.transport.Close()
}

// restartTimeout gives the client more time.
func (t *transfer) restartTimeout() {
	t.stopTimers()
	t.connTimer = t.loop.CallLater(t.opts.connTimeout, t.timeOut)
}

// fromClient reports whether a packet came from the client of the transfer, and sends an error to
// anybody else.
func (t *transfer) fromClient(addr net.Addr) bool {
	if t.remote.(*net.UDPAddr).Port == addr.(*net.UDPAddr).Port {
		return true
	}
	log.Printf("[INFO] Unknown transfer id: expected %s, got %s instead.", pyAddr(t.remote), pyAddr(addr))
	_ = t.transport.SendTo(errorPacket(5, "Unknown transfer id"), addr)
	return false
}

// A writeTransfer receives a file.
type writeTransfer struct {
	*transfer
	file *fileWriter
}

func (t *writeTransfer) initialize() (err error) {
	t.file, err = newFileWriter(t.request.name, t.opts.blockSize)
	return err
}

func (t *writeTransfer) next() ([]byte, error) { return ackPacket(t.counter), nil }

func (t *writeTransfer) close() {
	if t.file != nil {
		_ = t.file.file.Close()
	}
}

func (t *writeTransfer) received(p packet, addr net.Addr) error {
	if !t.fromClient(addr) || p.op != opDATA || p.block != (t.counter+1)%65536 {
		return nil
	}
	t.restartTimeout()
	t.counter = (t.counter + 1) % 65536
	t.reply(ackPacket(t.counter))
	if err := t.file.writeChunk(p.data); err != nil {
		return err
	}
	// The original compares the size of the packet, not that of its data.
	if 4+len(p.data) < t.opts.blockSize {
		log.Printf("[INFO] Receiving file %q from %s completed", pyBytes(t.request.name), pyAddr(t.remote))
		t.stopRetransmits()
		return t.transport.Close()
	}
	return nil
}

// A readTransfer sends a file.
type readTransfer struct {
	*transfer
	file   *fileReader
	window [][]byte // the packets of the current window, nil where there is none
}

func (t *readTransfer) initialize() (err error) {
	t.counter = 1
	if t.file, err = newFileReader(t.request.name, t.opts.blockSize); err != nil {
		return err
	}
	for i := range t.request.opts {
		if o := &t.request.opts[i]; o.name == "tsize" {
			size, err := t.file.size()
			if err != nil {
				return err
			}
			o.value = strconv.FormatInt(size, 10)
		}
	}
	t.window = make([][]byte, t.opts.windowSize)
	return nil
}

func (t *readTransfer) next() ([]byte, error) {
	data, err := t.file.readChunk()
	return dataPacket(t.counter, data), err
}

func (t *readTransfer) close() {
	if t.file != nil {
		_ = t.file.file.Close()
	}
}

func (t *readTransfer) received(p packet, addr net.Addr) error {
	if t.fromClient(addr) && p.op == opERR {
		t.giveUp()
		return nil
	}
	if t.opts.windowSize > 1 {
		return t.nextWindow(p, addr)
	}
	if !t.fromClient(addr) || p.op != opACK || p.block != t.counter {
		return nil
	}
	t.restartTimeout()
	if t.file.finished {
		return t.transport.Close()
	}
	t.counter = (t.counter + 1) % 65536
	packet, err := t.next()
	if err != nil {
		return err
	}
	t.reply(packet)
	return nil
}

// nextWindow sends the packets of the next window, and those of the last one that were lost.
func (t *readTransfer) nextWindow(p packet, addr net.Addr) error {
	inWindow := t.counter-t.opts.windowSize < p.block && p.block <= t.counter
	if !t.fromClient(addr) || p.op != opACK || !inWindow {
		return nil
	}
	t.restartTimeout()
	fresh := t.opts.windowSize // packets that were not sent before
	if p.block == t.counter {
		if t.file.finished {
			return t.transport.Close()
		}
	} else {
		fresh -= t.counter - p.block
		t.counter += 1 - fresh
	}
	for i := range fresh {
		if t.file.finished {
			if i > 0 {
				t.window = t.window[len(t.window)-i:]
			}
			break
		}
		t.counter = (t.counter + 1) % 65536
		packet, err := t.next()
		if err != nil {
			return err
		}
		t.window = append(t.window[1:], packet)
	}
	for _, packet := range t.window {
		t.reply(packet)
	}
	return nil
}
