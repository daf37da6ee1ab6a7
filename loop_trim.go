package asyncio

import "time"

// This file is about giving back what a burst of tasks has left behind: their coroutines, and
// the memory of the queues in which they stood. It is done in small portions, so that nobody
// waits for it, and slowly, so that bursts that come again and again find all in place.

const (
	trimPeriod = time.Second
	trimPause  = time.Millisecond // between the portions of a period, if the loop has nothing to do
)

// trim gives back a portion if there is something to give back, and returns after what time
// it should be called again: Never if there is nothing.
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
