package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-asyncio/asyncio"
)

// A config describes a day. The times between arrivals, the lengths of services and the customers'
// patience are exponentially distributed.
type config struct {
	seed      uint64
	day       time.Duration // how long the doors are open
	counters  int
	customers int           // expected number in a day
	service   time.Duration // mean
	patience  time.Duration // mean
}

func (c config) validate() error {
	const (
		maxCustomers = 1_000_000
		maxTime      = 24 * time.Hour
	)
	switch {
	case c.counters < 1:
		return fmt.Errorf("-counters must be at least 1, not %d", c.counters)
	case c.customers < 1 || c.customers > maxCustomers:
		return fmt.Errorf("-customers must be from 1 to %d, not %d", maxCustomers, c.customers)
	case c.service <= 0 || c.service > maxTime:
		return fmt.Errorf("-service must be more than 0s and at most %v, not %v", maxTime, c.service)
	case c.patience <= 0 || c.patience > maxTime:
		return fmt.Errorf("-patience must be more than 0s and at most %v, not %v", maxTime, c.patience)
	}
	return nil
}

// A bank is the state of a simulation. It needs no lock, because it belongs to the tasks of one
// loop, and only one of them runs at a time.
type bank struct {
	config
	rng  *rand.Rand
	free *asyncio.Semaphore // the free counters

	arrived, served, left int
	waits                 []time.Duration // of the served customers, in the order of their service
	busy                  time.Duration   // total time spent at the counters
	closed                time.Duration   // when the last customer had left
}

func newBank(c config) *bank {
	return &bank{
		config: c,
		rng:    rand.New(rand.NewPCG(c.seed, 0)),
		free:   asyncio.NewSemaphore(c.counters),
	}
}

// openDoors lets customers in until the day is over, and returns when the last of them has left.
func (b *bank) openDoors(ctx context.Context) error {
	loop := asyncio.RunningLoop(ctx)
	meanGap := b.day / time.Duration(b.customers)
	err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
		for {
			gap := b.exponential(meanGap)
			if loop.Time()+gap > b.day {
				return nil
			}
			if err := asyncio.Sleep(ctx, gap); err != nil {
				return err
			}
			b.arrived++
			// Draw both numbers here and not when they are needed, so that the same customers come
			// to a bank with more counters.
			patience, service := b.exponential(b.patience), b.exponential(b.service)
			tg.Go(func(ctx context.Context) error { return b.customer(ctx, patience, service) })
		}
	})
	b.closed = loop.Time()
	return err
}

// customer waits for a counter and is served there, or leaves when the patience ends.
func (b *bank) customer(ctx context.Context, patience, service time.Duration) error {
	loop := asyncio.RunningLoop(ctx)
	arrival := loop.Time()
	err := asyncio.Timeout(ctx, patience, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
		return b.free.Acquire(ctx)
	})
	if errors.Is(err, asyncio.ErrTimeout) {
		b.left++
		return nil
	}
	if err != nil {
		return err
	}
	defer b.free.Release()

	b.waits = append(b.waits, loop.Time()-arrival)
	if err := asyncio.Sleep(ctx, service); err != nil {
		return err
	}
	b.busy += service
	b.served++
	return nil
}

func (b *bank) exponential(mean time.Duration) time.Duration {
	return time.Duration(b.rng.ExpFloat64() * float64(mean))
}
