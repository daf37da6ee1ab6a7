package asyncio

// This file is about Go's channels. A task must not block in a channel operation, which would stop
// its loop. So a goroutine waits in its place, unless the operation can be made at once. Of the
// tasks that wait for the same operation on the same channel only the first has a goroutine; the
// others stand in line for it, in the order of their arrival.
//
// The loop can ask the goroutines whether they still wait. It does so before virtual time moves on:
// then it does not depend on the speed of the goroutines at which instant a task resumes.

import (
	"context"
	"errors"
	"reflect"
	"unsafe"
)

// Receive receives from ch. It suspends until there is a value or ch is closed; like the second
// result of Go's receive operator, ok is false if ch is closed and empty. It does not suspend if the
// value is there already, except now and then for one turn, so that other tasks run, too. Tasks of one loop receive from ch in the order of their calls.
//
// A receive that is cancelled takes no value. If it has taken one by the time of the cancellation,
// it returns that, and the next call that waits is cancelled in its place. Receive from a nil channel
// waits until it is cancelled.
func Receive[T any](ctx context.Context, ch <-chan T) (v T, ok bool, err error) {
	t := running(ctx)
	if c := &t.loop.threads.channels; (c.calls == 0 || t.mayTry(reflect.ValueOf(ch), false)) && c.made.spend(t.loop, maxMade) {
		select {
		case v, ok = <-ch:
			return v, ok, nil
		default:
		}
	}
	c := ReceiveFrom(ch)
	err = t.operate(ctx, c, waitReceive)
	return c.Value, c.OK, err
}

// Send sends v to ch. It suspends until ch has room or another goroutine or task receives v. It does
// not suspend if that is so already, except now and then for one turn. Tasks of one loop send to ch in
// the order of their calls. Send panics if ch is closed, as Go's send statement does.
//
// A send that is cancelled has not sent v. If it has sent v by the time of the cancellation, it
// returns nil, and the next call that waits is cancelled in its place. Send to a nil channel waits
// until it is cancelled.
func Send[T any](ctx context.Context, ch chan<- T, v T) error {
	t := running(ctx)
	if c := &t.loop.threads.channels; (c.calls == 0 || t.mayTry(reflect.ValueOf(ch), true)) && c.made.spend(t.loop, maxMade) {
		select {
		case ch <- v:
			return nil
		default:
		}
	}
	return t.operate(ctx, SendTo(ch, v), waitSend)
}

// Select makes one of the operations, the first of cases that can be made, and returns its case. It
// suspends until one can be made. If one can be made already, it does not suspend, except now and
// then for one turn. Cases with nil channels are never chosen. Like Receive and Send, a Select that is
// cancelled has made none.
//
// A Select does not stand in line with the calls of Receive and Send. If tasks wait in both for the
// same channel, it is not determined which of them is served first, not even in virtual time.
//
//	jobs, quit := asyncio.ReceiveFrom(jobs), asyncio.ReceiveFrom(quit)
//	chosen, err := asyncio.Select(ctx, jobs, quit)
//	switch chosen {
//	case jobs:
//		use(jobs.Value)
//
// There is no default case: Go's own select with a default does not block.
func Select(ctx context.Context, cases ...SelectCase) (chosen SelectCase, err error) {
	t := running(ctx)
	c := &choice{cases: cases}
	for _, one := range cases {
		if one == nil {
			panic("asyncio: nil SelectCase")
		}
		c.keys = append(c.keys, one.channels()...)
	}
	err = t.operate(ctx, c, waitSelect)
	return c.chosen, err
}

// A SelectCase is a *ReceiveCase or a *SendCase of any type.
type SelectCase interface {
	operation
	reflected() reflect.SelectCase
	received(v reflect.Value, ok bool)
}

// A ReceiveCase is a case of Select that receives. When it is chosen, it has the value. It can be
// passed to another Select after that.
type ReceiveCase[T any] struct {
	Value T
	OK    bool // whether Value was sent; false if the channel is closed

	ch <-chan T
}

// ReceiveFrom returns a case that receives from ch.
func ReceiveFrom[T any](ch <-chan T) *ReceiveCase[T] { return &ReceiveCase[T]{ch: ch} }

// A SendCase is a case of Select that sends Value. It can be passed to another Select after that.
type SendCase[T any] struct {
	Value T

	ch chan<- T
}

// SendTo returns a case that sends v to ch.
func SendTo[T any](ch chan<- T, v T) *SendCase[T] { return &SendCase[T]{Value: v, ch: ch} }

// An operation is what a task wants to do with channels. Its methods but channels may be called by
// the goroutine that waits for the task.
type operation interface {
	// try makes the operation if that does not block, and reports whether it did.
	try() bool
	// wait blocks until it has made the operation, or until it receives from ask.
	wait(ask <-chan struct{}) (made, asked bool)
	// channels returns the operation's channels other than nil.
	channels() []channelKey
}

// A channelKey stands for one of the two operations on a channel.
type channelKey struct {
	channel    unsafe.Pointer
	send       bool
	unbuffered bool
}

func (c *ReceiveCase[T]) try() bool {
	select {
	case c.Value, c.OK = <-c.ch:
		return true
	default:
		return false
	}
}

func (c *ReceiveCase[T]) wait(ask <-chan struct{}) (made, asked bool) {
	select {
	case c.Value, c.OK = <-c.ch:
		return true, false
	case _, asked = <-ask:
		return false, asked
	}
}

func (c *ReceiveCase[T]) channels() []channelKey {
	return keysOf(reflect.ValueOf(c.ch), false)
}

func (c *ReceiveCase[T]) reflected() reflect.SelectCase {
	return reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c.ch)}
}

func (c *ReceiveCase[T]) received(v reflect.Value, ok bool) {
	c.Value, _ = v.Interface().(T) // a nil interface value has no type to assert
	c.OK = ok
}

func (c *SendCase[T]) try() bool {
	select {
	case c.ch <- c.Value:
		return true
	default:
		return false
	}
}

func (c *SendCase[T]) wait(ask <-chan struct{}) (made, asked bool) {
	select {
	case c.ch <- c.Value:
		return true, false
	case _, asked = <-ask:
		return false, asked
	}
}

func (c *SendCase[T]) channels() []channelKey { return keysOf(reflect.ValueOf(c.ch), true) }

func (c *SendCase[T]) reflected() reflect.SelectCase {
	return reflect.SelectCase{Dir: reflect.SelectSend, Chan: reflect.ValueOf(c.ch), Send: reflect.ValueOf(&c.Value).Elem()}
}

func (c *SendCase[T]) received(reflect.Value, bool) {}

func keyOf(ch reflect.Value, send bool) channelKey {
	return channelKey{ch.UnsafePointer(), send, ch.Cap() == 0}
}

func keysOf(ch reflect.Value, send bool) []channelKey {
	if ch.IsNil() {
		return nil
	}
	return []channelKey{keyOf(ch, send)}
}

// A choice is the operation of Select.
type choice struct {
	cases  []SelectCase
	keys   []channelKey
	chosen SelectCase
}

func (c *choice) try() bool {
	for _, one := range c.cases {
		if one.try() {
			c.chosen = one
			return true
		}
	}
	return false
}

func (c *choice) wait(ask <-chan struct{}) (made, asked bool) {
	cases := make([]reflect.SelectCase, len(c.cases)+1)
	for i, one := range c.cases {
		cases[i] = one.reflected()
	}
	cases[len(c.cases)] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ask)}
	i, v, ok := reflect.Select(cases)
	if i == len(c.cases) {
		return false, ok
	}
	c.chosen = c.cases[i]
	c.chosen.received(v, ok)
	return true, false
}

func (c *choice) channels() []channelKey { return c.keys }

// channels are the operations on channels that a loop's tasks wait for. Only the loop's goroutine
// uses it.
type channels struct {
	made  quota    // calls that may have made their operations without a wait
	calls int      // the calls of operate that go on
	waits nodeList // the operations for which a goroutine waits, each a channelWait
	lines map[channelKey]*channelLine
}

// A channelLine is where tasks stand in line for an operation on a channel. The first holds the lock.
type channelLine struct {
	Lock
	tasks int
}

// maxMade is the number of calls in one turn that need not wait. Further ones wait for the next turn,
// so that a task whose channel is always ready does not have the loop to itself.
const maxMade = 128

// mayTry reports whether t may make an operation at once though tasks wait for channels. It may not
// if some stand in line for the same operation. In virtual time it may not at all: whether the
// operation can be made would depend on the speed of goroutines.
func (t *task) mayTry(ch reflect.Value, send bool) bool {
	return !t.loop.virtual && t.loop.threads.channels.lines[keyOf(ch, send)] == nil
}

// operate makes an operation in the running task t.
func (t *task) operate(ctx context.Context, op operation, reason waitReason) error {
	c := &t.loop.threads.channels
	keys := op.channels()
	if len(keys) == 0 {
		return t.block(ctx, &wait{reason: waitNoChannel}, 0)
	}
	if !c.made.spend(t.loop, maxMade) {
		if err := t.block(ctx, nil, 0); err != nil {
			return err
		}
	}
	alone := c.calls == 0
	c.calls++
	defer func() { c.calls-- }() // deferred, since the task may be unwound, and since a send may panic
	if _, several := op.(*choice); !several {
		line := c.enter(keys[0])
		defer c.leave(keys[0], line)
		if err := line.Acquire(ctx); err != nil {
			return err
		}
		defer line.Release()
	}
	if (alone || !t.loop.virtual) && op.try() {
		return nil
	}
	return t.waitForChannel(ctx, op, reason)
}

func (c *channels) enter(key channelKey) *channelLine {
	line := c.lines[key]
	if line == nil {
		if c.lines == nil {
			c.lines = make(map[channelKey]*channelLine)
		}
		line = &channelLine{}
		c.lines[key] = line
	}
	line.tasks++
	return line
}

func (c *channels) leave(key channelKey, line *channelLine) {
	line.tasks--
	if line.tasks == 0 {
		delete(c.lines, key)
	}
}

// waitForChannel suspends t until a goroutine has made op. The goroutine has ended when
// waitForChannel returns.
func (t *task) waitForChannel(ctx context.Context, op operation, reason waitReason) error {
	w := &channelWait{
		task: t, op: op,
		ask: make(chan struct{}), answer: make(chan struct{}), ended: make(chan struct{}),
	}
	w.node.run = w
	t.loop.threads.channels.waits.push(&w.node)
	delivered := t.delivered()
	go w.work()
	err := w.suspend(ctx, reason)
	switch {
	case w.panic != nil:
		panic(w.panic)
	case err != nil && w.made:
		if t.delivered() > delivered {
			t.redeliver(err)
		}
		return nil
	default:
		return err
	}
}

// redeliver makes the next wait of t return the cancellation that has ended a wait with err.
func (t *task) redeliver(err error) {
	t.mustCancel, t.cause = true, nil
	if c, ok := errors.AsType[*CancelledError](err); ok {
		t.cause = c.Cause
	}
}

// A channelWait is a goroutine that waits in the place of a task.
type channelWait struct {
	node   // in the loop's list, until the task is woken or leaves
	task   *task
	op     operation
	ask    chan struct{} // the loop asks here, and closes it when the goroutine is to give up
	answer chan struct{} // the goroutine answers here if it still waits
	ended  chan struct{} // closed at the end of the goroutine

	// Set by the goroutine.
	made  bool
	panic any // of a send to a closed channel

	over bool // the loop has found that the goroutine has ended
}

// suspend suspends the task until the goroutine has ended, or ends it.
func (w *channelWait) suspend(ctx context.Context, reason waitReason) error {
	defer func() {
		w.unlink()
		close(w.ask)
		<-w.ended
	}()
	return w.task.block(ctx, &wait{reason: reason}, 0)
}

// work is the goroutine.
func (w *channelWait) work() {
	w.operate()
	l := w.task.loop
	if l.virtual {
		close(w.ended)
		l.posted.nudge() // the loop looks at all its channels
		return
	}
	if w.made || w.panic != nil {
		_ = l.post(w)
	}
	close(w.ended)
}

// operate makes the operation, unless the loop ends it.
func (w *channelWait) operate() {
	defer func() { w.panic = recover() }()
	for !w.made {
		made, asked := w.op.wait(w.ask)
		if !made && !asked {
			return
		}
		if w.made = made || w.op.try(); !w.made {
			w.answer <- struct{}{}
		}
	}
}

func (w *channelWait) run(*Loop) {
	if w.list != nil {
		w.unlink()
		w.task.wake()
	}
}

func (w *channelWait) describe() string { return "channel of " + w.task.describe() }

// hasEnded asks the goroutine whether it has ended. If it has not, its operation cannot be made.
func (w *channelWait) hasEnded() bool {
	select {
	case <-w.ended:
		return true
	case w.ask <- struct{}{}:
	}
	select {
	case <-w.ended:
		return true
	case <-w.answer:
		return false
	}
}

// maxAsked is the number of goroutines up to which settle asks each before the loop waits for other
// goroutines. With more it only looks which have ended, and the order in which the tasks resume may
// depend on the speed of their goroutines.
const maxAsked = 256

// settle wakes the tasks whose operations have been made, in the order in which they began to wait,
// and reports whether there are any. If time is to move on, the operations that are left cannot be
// made at this instant.
func (c *channels) settle(timeMoves bool) (woken bool) {
	if c.waits.head == nil {
		return false
	}
	for (timeMoves || c.calls <= maxAsked) && c.findEnded() {
	}
	for n := c.waits.head; n != nil; {
		w := n.run.(*channelWait)
		n = n.next
		select {
		case <-w.ended:
			w.run(w.task.loop)
			woken = true
		default:
		}
	}
	return woken
}

// findEnded asks the goroutines whether they have ended, and reports whether one has, since then an
// operation of another may have become possible. Two goroutines that wait at the two ends of an
// unbuffered channel are about to meet: findEnded waits until they have met, or one has met
// another.
func (c *channels) findEnded() (found bool) {
	ends := make(map[channelKey]*channelWait)
	for n := c.waits.head; n != nil; n = n.next {
		w := n.run.(*channelWait)
		if w.over {
			continue
		}
		for _, key := range w.op.channels() {
			if !key.unbuffered {
				continue
			}
			ends[key] = w
			key.send = !key.send
			if peer := ends[key]; peer != nil && peer != w && !peer.over {
				select {
				case <-w.ended:
				case <-peer.ended:
				}
				peer.over = peer.hasEnded()
				found = found || peer.over
			}
		}
		w.over = w.hasEnded()
		found = found || w.over
	}
	return found
}
