package inspect

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-asyncio/asyncio"
)

// interval is the time from one snapshot of a loop to the next, however many clients there are.
const interval = time.Second

// patience is how long a client waits for a loop that does not answer.
const patience = 2 * time.Second

// memory is how long a snapshot is kept after the last client has looked. It keeps the tasks that
// have ended meanwhile from being collected as garbage.
const memory = time.Minute

// The state of a loop.
const (
	running    = "running"
	blocked    = "blocked" // it runs, but has not answered
	notRunning = "not running"
	closed     = "closed"
)

// The reasons for which a loop does not answer.
var (
	errBlocked    = errors.New("the loop does not answer: a task or a callback blocks it")
	errNotRunning = errors.New("the loop is not running")
)

// A source takes snapshots of a loop for all clients that look at it. Any goroutine may use it.
type source struct {
	loop     *asyncio.Loop
	timeline *timeline

	mu     sync.Mutex
	newest *snapshot   // nil before the first, and when it is forgotten
	asked  *question   // the request for a snapshot that the loop has not met yet, or nil
	forget *time.Timer // sets newest to nil
}

// A question is a request for a snapshot.
type question struct {
	at       time.Time
	answered chan struct{} // closed by the loop
	room     []asyncio.TaskInfo
}

// A look is the state of a loop at one time.
type look struct {
	state     string
	silent    time.Duration // time for which a blocked loop has not answered
	*snapshot               // the newest, which may be old unless the loop is running; nil if there is none
}

func newSource(loop *asyncio.Loop) *source {
	s := &source{loop: loop, timeline: newTimeline(loop)}
	s.forget = time.AfterFunc(memory, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.newest = nil
	})
	return s
}

// look returns the newest snapshot if it is younger than interval, and otherwise takes one. It waits
// for the loop, but not longer than patience.
func (s *source) look(ctx context.Context) look {
	q := s.ask()
	if q == nil {
		return s.state()
	}
	timeout := time.NewTimer(time.Until(q.at.Add(patience)))
	defer timeout.Stop()
	select {
	case <-q.answered:
	case <-timeout.C:
	case <-ctx.Done():
	}
	return s.state()
}

// ask posts a request for a snapshot, or finds the one that is under way. It returns nil if there is
// nothing to wait for.
func (s *source) ask() *question {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget.Reset(memory)
	if s.newest != nil && time.Since(s.newest.at) < interval || !s.loop.IsRunning() {
		return nil
	}
	if s.asked == nil {
		q := &question{at: time.Now(), answered: make(chan struct{})}
		if s.newest != nil { // here rather than on the loop, since it may take long
			n := len(s.newest.tasks)
			q.room = make([]asyncio.TaskInfo, n+n/8)
			clear(q.room) // touches the memory, which the system may have to find first
			q.room = q.room[:0]
		}
		if s.loop.CallSoonThreadsafe(func() { s.answer(q) }) != nil {
			return nil // closed
		}
		s.asked = q
	}
	return s.asked
}

// answer takes a snapshot. The loop calls it.
func (s *source) answer(q *question) {
	snap := take(s.loop, q.room)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest, s.asked = snap, nil
	close(q.answered)
}

// state returns the state of the loop, without waiting.
func (s *source) state() look {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := look{snapshot: s.newest}
	switch {
	case s.loop.IsClosed():
		l.state = closed
	case !s.loop.IsRunning():
		l.state = notRunning
	case s.asked != nil && time.Since(s.asked.at) >= patience:
		l.state, l.silent = blocked, time.Since(s.asked.at)
	default:
		l.state = running
	}
	return l
}

// call has the loop call fn, and waits until it has, at most for patience. If it returns an error, fn
// was not called and will not be.
func (s *source) call(ctx context.Context, fn func()) error { return call(ctx, s.loop, patience, fn) }

// call calls fn on the goroutine of the loop: at once if that is the caller's, and otherwise between
// two steps of the loop. It waits until fn has returned, but no longer than limit for its begin. If it
// returns an error, fn was not called and will not be.
func call(ctx context.Context, loop *asyncio.Loop, limit time.Duration, fn func()) error {
	switch {
	case loop.IsCurrent():
		fn()
		return nil
	case loop.IsClosed():
		return asyncio.ErrLoopClosed
	case !loop.IsRunning():
		return errNotRunning
	}
	begun, ended := make(chan struct{}), make(chan struct{})
	handle, err := loop.CallSoonThreadsafeHandle(func() {
		close(begun)
		defer close(ended)
		fn()
	})
	if err != nil {
		return err
	}
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-begun:
	case <-timeout.C:
	case <-ctx.Done():
	}
	switch {
	case !handle.Cancel(): // fn has begun
		<-ended
		return nil
	case loop.IsClosed():
		return asyncio.ErrLoopClosed
	case !loop.IsRunning():
		return errNotRunning
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return errBlocked
}
