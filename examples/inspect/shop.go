//go:build !plan9

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-asyncio/asyncio"
)

// A shop takes orders and delivers them.
type shop struct {
	orders   *asyncio.Queue[int]
	database *asyncio.Semaphore
	audited  asyncio.Event // never set

	here, there asyncio.Lock // accounts
	receipts    *asyncio.Queue[string]
}

func newShop() *shop {
	s := &shop{
		orders: asyncio.NewQueue[int](20), database: asyncio.NewSemaphore(2), receipts: asyncio.NewQueue[string](1),
	}
	s.orders.SetName("orders")
	s.database.SetName("database")
	s.audited.SetName("audited")
	s.here.SetName("account 1")
	s.there.SetName("account 2")
	s.receipts.SetName("receipts")
	return s
}

// run runs the shop until ctx is done. The deadlock begins after a time.
func (s *shop) run(ctx context.Context, after time.Duration) error {
	return asyncio.WithTaskGroup(ctx, func(ctx context.Context, group *asyncio.TaskGroup) error {
		start := func(name string, f func(context.Context) error) { group.Go(f, asyncio.WithName(name)) }
		start("customers", s.takeOrders)
		for i := range 6 {
			start(fmt.Sprint("packer ", i+1), s.pack)
		}
		start("report", s.report)
		if err := s.open(ctx, start); err != nil {
			return err
		}
		start("prices", s.fetchPrices)
		if err := asyncio.Sleep(ctx, after); err != nil {
			return err
		}
		start("transfer out", func(ctx context.Context) error { return s.transfer(ctx, &s.here, &s.there) })
		start("transfer back", func(ctx context.Context) error { return s.transfer(ctx, &s.there, &s.here) })
		start("receipt printer", s.printReceipts)
		return nil
	})
}

// takeOrders puts an order into the queue twenty times a second. Now and then customers come in crowds.
func (s *shop) takeOrders(ctx context.Context) error {
	for n := 1; ; n++ {
		if err := s.orders.Put(ctx, n); err != nil {
			return err
		}
		asyncio.CreateTask(ctx, asyncio.Do(s.audit), asyncio.WithName(fmt.Sprint("audit of order ", n)))
		pause := 50 * time.Millisecond
		if n%100 < 20 {
			pause = time.Millisecond
		}
		if err := asyncio.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// open opens the shop for its branches.
func (s *shop) open(ctx context.Context, start func(name string, f func(context.Context) error)) error {
	server, err := asyncio.StartServer(ctx, s.serveBranch, "127.0.0.1:0")
	if err != nil {
		return err
	}
	for i := range 3 {
		start(fmt.Sprint("branch ", i+1), func(ctx context.Context) error { return order(ctx, server.Addr().String()) })
	}
	return nil
}

// serveBranch confirms the orders of a branch, each a line.
func (s *shop) serveBranch(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	for line, err := range r.Lines(ctx) {
		if err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// order sends orders to the shop, and waits for each to be confirmed.
func order(ctx context.Context, address string) error {
	r, w, err := asyncio.OpenConnection(ctx, address)
	if err != nil {
		return err
	}
	defer w.Close()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(w, "order %d\n", n); err != nil {
			return err
		}
		if _, err := r.ReadLine(ctx); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, time.Duration(50+n%5*100)*time.Millisecond); err != nil {
			return err
		}
	}
}

// audit is the leak.
func (s *shop) audit(ctx context.Context) error {
	if crowded := asyncio.RunningLoop(ctx).Time()%(2*time.Second) < 1500*time.Millisecond; crowded {
		return asyncio.Sleep(ctx, time.Second)
	}
	return s.audited.Wait(ctx)
}

// pack delivers orders, each after a look into the database.
func (s *shop) pack(ctx context.Context) error {
	for {
		order, err := s.orders.Get(ctx)
		if err != nil {
			return err
		}
		err = s.database.With(ctx, func(ctx context.Context) error {
			return asyncio.Sleep(ctx, time.Duration(10+order%7*15)*time.Millisecond)
		})
		if err != nil {
			return err
		}
		s.orders.TaskDone()
	}
}

// report is the slow step: it computes on the loop. It ought to use ToThread.
func (s *shop) report(ctx context.Context) error {
	for {
		if err := asyncio.Sleep(ctx, 4*time.Second); err != nil {
			return err
		}
		for begin := time.Now(); time.Since(begin) < 200*time.Millisecond; {
		}
	}
}

// fetchPrices asks a slow library, as one should.
func (s *shop) fetchPrices(ctx context.Context) error {
	for {
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
			time.Sleep(300 * time.Millisecond)
			return 0, nil
		})
		if err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, 700*time.Millisecond); err != nil {
			return err
		}
	}
}

// transfer holds the first account while it waits for the second. Another transfer the other way round
// does the opposite.
func (s *shop) transfer(ctx context.Context, first, second *asyncio.Lock) error {
	return first.With(ctx, func(ctx context.Context) error {
		if err := asyncio.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		return second.With(ctx, func(ctx context.Context) error { return s.receipts.Put(ctx, "paid") })
	})
}

// printReceipts prints the receipts of both transfers.
func (s *shop) printReceipts(ctx context.Context) error {
	for range 2 {
		if _, err := s.receipts.Get(ctx); err != nil {
			return err
		}
	}
	return nil
}
