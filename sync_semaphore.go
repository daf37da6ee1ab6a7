package asyncio

import (
	"context"
	"fmt"
)

// A Semaphore admits n tasks at a time. Those who wait are admitted in the order in which
// they came. The zero Semaphore admits none until it is released. It must not be copied after
// first use. It is asyncio.Semaphore.
type Semaphore struct {
	value   int
	waiters waitq
}

// NewSemaphore makes a semaphore that admits n tasks. It panics if n is negative.
func NewSemaphore(n int) *Semaphore {
	checkSemaphore(n)
	return &Semaphore{value: n}
}

func checkSemaphore(n int) {
	if n < 0 {
		panic("asyncio: negative semaphore")
	}
}

// Acquire takes one of the places. It suspends while there is none or others wait.
// The error is that of a cancellation, and then no place is taken.
func (s *Semaphore) Acquire(ctx context.Context) error {
	if !s.Locked() {
		s.value--
		return nil
	}
	err := s.waiters.wait(ctx, waitSemaphore)
	if err != nil && wasWoken(ctx) {
		s.value++ // the place that it was woken for
	}
	for s.value > 0 && s.wakeNext() { // others may have had to wait behind this one
	}
	return err
}

// Release gives a place back, to the first who waits if there is one.
func (s *Semaphore) Release() {
	s.value++
	s.wakeNext()
}

func (s *Semaphore) wakeNext() bool {
	woken := s.waiters.wakeNext()
	if woken {
		s.value--
	}
	return woken
}

// Locked reports whether Acquire would suspend.
func (s *Semaphore) Locked() bool { return s.value == 0 || s.waiters.live > 0 }

// With runs body while it holds a place. It suspends as Acquire and body do. It is "async
// with semaphore".
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

// NewBoundedSemaphore makes a semaphore that admits n tasks. It panics if n is negative.
func NewBoundedSemaphore(n int) *BoundedSemaphore {
	checkSemaphore(n)
	return &BoundedSemaphore{Semaphore{value: n}, n}
}

// Acquire takes one of the places. It suspends as [Semaphore.Acquire] does.
func (s *BoundedSemaphore) Acquire(ctx context.Context) error { return s.semaphore.Acquire(ctx) }

// Release gives a place back; see [Semaphore.Release]. It returns ErrReleased, and does
// nothing, if all places are free.
func (s *BoundedSemaphore) Release() error {
	if s.semaphore.value >= s.bound {
		return ErrReleased
	}
	s.semaphore.Release()
	return nil
}

// Locked reports whether Acquire would suspend.
func (s *BoundedSemaphore) Locked() bool { return s.semaphore.Locked() }

// With runs body while it holds a place. It suspends as Acquire and body do. If others
// have released that meanwhile, With returns ErrReleased, and nothing else of what body
// returned but its text, as an exception in asyncio would replace another.
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
