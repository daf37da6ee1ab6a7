// Package inspect shows what the tasks of running loops do: which there are, what each waits for and
// since when, who awaits whom, and the stacks on which they stand. It shows the steps that block a loop,
// too, and the loop's servers, streams and queues.
//
//	mux.Handle("/debug/asyncio/", inspect.Handler(loop))
//
// [Handler] serves a page that follows the loops live, and the same data as JSON and as text. [Dump],
// [PS] and [PSTree] write text once. [DumpOnSignal] writes it whenever the program gets a signal.
//
// # What it costs
//
// All functions of this package may be called from any goroutine. They have the loop itself take a
// snapshot between two of its steps, so a snapshot is consistent, and nothing needs a lock. The first
// snapshot turns on the loop's inspection ([asyncio.Loop.Inspect]), which stays on; the times and the
// creators of tasks that were created before are not known, nor are earlier slow steps and queues. The
// option [asyncio.WithInspection] turns it on from the beginning. Nothing happens while nobody looks.
//
// # Who may see it
//
// The page shows names, code and addresses of the program, as package net/http/pprof does. Serve it
// on a loopback address, or behind something that checks who asks. This holds even more for a page
// that may cancel tasks, which [WithCancel] allows.
package inspect
