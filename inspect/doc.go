// Package inspect shows what the tasks of running loops do: which there are, what each waits for and
// since when, who awaits whom, and the stacks on which they stand. It shows the steps that block a loop,
// too, and the loop's servers, streams and queues.
//
//	mux.Handle("/debug/asyncio/", inspect.Handler(loop))
//
// [Handler] serves a page that follows the loops live, and the same data as JSON and as text. [Dump],
// [PS] and [PSTree] write text once. [DumpOnSignal] writes it whenever the program gets a signal.
//
// [Trace] writes what happens over time, for ui.perfetto.dev and chrome://tracing: which task ran when,
// what it waited for, and which task made it ready. The page shows the last seconds of that, and
// records traces. [RuntimeTrace] adds the tasks to the execution traces of package runtime/trace.
// [asyncio.WithTaskLabels] gives them labels in the profiles of package runtime/pprof.
//
// # What it costs
//
// All functions of this package may be called from any goroutine. They have the loop itself take a
// snapshot between two of its steps, so a snapshot is consistent, and nothing needs a lock. The first
// snapshot turns on the loop's inspection ([asyncio.Loop.Inspect]), which stays on; the times and the
// creators of tasks that were created before are not known, nor are earlier slow steps and queues. The
// option [asyncio.WithInspection] turns it on from the beginning. Nothing happens while nobody looks.
//
// Traces and the page's timeline do not need that, but an observer ([asyncio.Loop.Observe]), with which
// each step takes several times as long. It leaves when the trace ends, or ten seconds after the last
// client has looked at the timeline.
//
// # Who may see it
//
// The page shows names, code and addresses of the program, as package net/http/pprof does. Serve it
// on a loopback address, or behind something that checks who asks. This holds even more for a page
// that may cancel tasks, which [WithCancel] allows.
package inspect
