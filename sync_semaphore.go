package asyncio

import (
	"context"
	"fmt"
)

// A Semaphore has a number of places, which tasks take and give back. Waiting tasks get a place
// in the order in which they began to wait. The zero Semaphore has no place until one is
// released. It must not be copied after first use. It is asyncio.Semaphore.
type Semaphore struct {
	value   int
	waiters waitq
}

// NewSemaphore makes a semaphore with n places. It panics if n is negative.
func NewSemaphore(n int) *Semaphore {
	checkSemaphore(n)
	return &Semaphore{value: n, waiters: waitq{single: n == 1}}
}

func checkSemaphore(n int) {
	if n < 0 {
		panic("asyncio: negative semaphore")
	}
}

// Acquire takes a place. It suspends while there is none or other tasks wait for one. It
// returns an error only if it is cancelled, and then it has not taken a place.
func (s *Semaphore) Acquire(ctx context.Context) error {
	if !s.Locked() {
		s.value--
		if recording() {
			s.waiters.acquired(ctx)
		}
		return nil
	}
	err := s.waiters.wait(ctx, waitSemaphore)
	switch {
	case err == nil:
		if recording() {
			s.waiters.acquired(ctx)
		}
	case wasWoken(ctx):
		s.value++ // the task was woken to take a place: give it back
	}
	for s.value > 0 && s.wakeNext() { // other tasks may have had to wait behind this one
	}
	return err
}

// Release gives a place back and wakes the first waiting task to take it. It does not suspend.
func (s *Semaphore) Release() {
	s.value++
	if s.waiters.head != nil || s.waiters.primitive != nil {
		s.released()
	}
}

// released wakes the first waiting task after a place was given back. It is kept out of Release, so
// that Release is inlined.
//
//go:noinline
func (s *Semaphore) released() {
	s.waiters.released()
	s.wakeNext()
}

// SetName names s, as [Lock.SetName] names a lock.
func (s *Semaphore) SetName(name string) { s.waiters.details().name = name }

func (s *Semaphore) wakeNext() bool {
	woken := s.waiters.wakeNext()
	if woken {
		s.value--
	}
	return woken
}

// Locked reports whether Acquire would suspend.
func (s *Semaphore) Locked() bool { return s.value == 0 || s.waiters.live > 0 }

// With runs body while holding a place. It suspends as Acquire and body do. It is "async with
// semaphore".
func (s *Semaphore) With(ctx context.Context, body func(ctx context.Context) error) error {
	if err := s.Acquire(ctx); err != nil {
		return err
	}
	defer s.Release()
	return body(ctx)
}

// A BoundedSemaphore is a Semaphore that cannot be released more often than it was
// acquired. It must not be copied after first use. It is asyncio.BoundedSemaphore.
type BoundedSemaphore struct {
	semaphore Semaphore
	bound     int
}

// NewBoundedSemaphore makes a semaphore with n places. It panics if n is negative.
func NewBoundedSemaphore(n int) *BoundedSemaphore {
	checkSemaphore(n)
	return &BoundedSemaphore{Semaphore{value: n, waiters: waitq{single: n == 1}}, n}
}

// Acquire takes a place. It suspends as [Semaphore.Acquire] does.
func (s *BoundedSemaphore) Acquire(ctx context.Context) error { return s.semaphore.Acquire(ctx) }

// Release gives a place back, as [Semaphore.Release] does. If no place is taken, it does
// nothing and returns ErrReleased.
func (s *BoundedSemaphore) Release() error {
	if s.semaphore.value >= s.bound {
		return ErrReleased
	}
	s.semaphore.Release()
	return nil
}

// Locked reports whether Acquire would suspend.
func (s *BoundedSemaphore) Locked() bool { return s.semaphore.Locked() }

// SetName names s, as [Lock.SetName] names a lock.
func (s *BoundedSemaphore) SetName(name string) { s.semaphore.SetName(name) }

// With runs body while holding a place. It suspends as Acquire and body do. If other tasks have
// released the place meanwhile, With returns ErrReleased; the text of body's error follows, but
// errors.Is does not find that error, just as one exception replaces another in asyncio.
func (s *BoundedSemaphore) With(ctx context.Context, body func(ctx context.Context) error) (err error) {
	if err := s.Acquire(ctx); err != nil {
		return err
	}
	defer func() {
		switch released := s.Release(); {
		case released == nil:
		case err == nil:
			err = released
		default:
			err = fmt.Errorf("%w, after: %v", released, err)
		}
	}()
	return body(ctx)
}
