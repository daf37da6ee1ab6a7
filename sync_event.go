package asyncio

import "context"

// An Event is a flag that tasks can wait for. The zero Event is not set. It must not be copied
// after first use. It is asyncio.Event.
type Event struct {
	set     bool
	waiters waitq
}

// Set sets the flag and wakes all waiting tasks. It does not suspend.
func (e *Event) Set() {
	if !e.set {
		e.set = true
		e.waiters.wakeAll()
	}
}

// Clear unsets the flag. The tasks that Set has woken go on nevertheless.
func (e *Event) Clear() { e.set = false }

// IsSet reports whether the flag is set.
func (e *Event) IsSet() bool { return e.set }

// SetName names e, as [Lock.SetName] names a lock.
func (e *Event) SetName(name string) { e.waiters.details().name = name }

// Wait suspends until the flag is set; it does not suspend if the flag is set already. It
// returns an error only if it is cancelled.
func (e *Event) Wait(ctx context.Context) error {
	if e.set {
		return nil
	}
	return e.waiters.wait(ctx, waitEvent)
}
