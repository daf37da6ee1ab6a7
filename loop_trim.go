package asyncio

import "time"

// This file gives back the memory that a burst of tasks leaves behind: the fibers of the tasks, and
// the memory of the queues. It works in small portions, so that nothing has to wait for it, and
// slowly, so that recurring bursts find everything in place.

const (
	trimPeriod = time.Second
	trimPause  = time.Millisecond // between the portions of a period, if the loop is idle
)

// trim gives back a portion, if there is anything to give back. It returns how long to wait before
// the next call, or Never.
func (l *Loop) trim() time.Duration {
	if !l.fibers.IsLarge() && !l.ready.IsLarge() && !l.timers.IsLarge() {
		return Never
	}
	return l.trimBurst()
}

func (l *Loop) trimBurst() time.Duration {
	now := time.Now()
	elapsed := now.Sub(l.trimmed)
	if elapsed >= trimPeriod {
		l.trimmed, elapsed = now, 0
		l.fibers.BeginPeriod()
		l.ready.Shrink()
		l.timers.Shrink()
	}
	if l.fibers.Trim() {
		return trimPause
	}
	return trimPeriod - elapsed
}
