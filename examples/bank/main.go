// Bank simulates a day in a bank: customers come, wait for one of a few counters, are served, or
// lose patience and leave.
//
//	go run ./examples/bank [-seed 1] [-counters 3] [-customers 400] [-service 4m] [-patience 10m]
//
// It runs in virtual time: when all tasks wait, the loop's clock jumps to the next event. So eight
// hours take a few milliseconds, and the same seed gives the same day.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg := config{day: 8 * time.Hour}
	flags := flag.NewFlagSet("bank", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Uint64Var(&cfg.seed, "seed", 1, "seed of the random numbers")
	flags.IntVar(&cfg.counters, "counters", 3, "number of counters")
	flags.IntVar(&cfg.customers, "customers", 400, "number of customers to expect in a day")
	flags.DurationVar(&cfg.service, "service", 4*time.Minute, "mean time that serving one takes")
	flags.DurationVar(&cfg.patience, "patience", 10*time.Minute, "mean time after which one leaves")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2 // the flag set has printed the error
	}
	err := cfg.validate()
	if flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(stderr, "bank:", err)
		return 2
	}

	b := newBank(cfg)
	if _, err := asyncio.Run(ctx, asyncio.Do(b.openDoors), asyncio.WithVirtualTime()); err != nil {
		fmt.Fprintln(stderr, "bank:", err)
		return 1
	}
	b.report(stdout)
	return 0
}
