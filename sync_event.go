package asyncio

import "context"

// An Event is a flag that tasks can wait for. The zero Event is not set. It must not be copied
// after first use. It is asyncio.Event.
type Event struct {
	set     bool
	waiters waitq
}

// Set sets the flag and wakes all who wait.
func (e *Event) Set() {
	if !e.set {
		e.set = true
		e.waiters.wakeAll()
	}
}

// Clear unsets the flag. Those whom Set has woken go on all the same.
func (e *Event) Clear() { e.set = false }

// IsSet reports whether the flag is set.
func (e *Event) IsSet() bool { return e.set }

// Wait suspends until the flag is set, and does not if it is. The error is that of a
// cancellation.
func (e *Event) Wait(ctx context.Context) error {
	if e.set {
		return nil
	}
	return e.waiters.wait(ctx, waitEvent)
}
