// Chat is a server for people who exchange lines of text; nc and telnet will do as clients.
//
//	go run ./examples/chat [ADDR]
//
// The first line that a client sends is its name. /who lists the members, /quit leaves. Each client
// has a queue of lines and a task that sends them, so that a client that does not read blocks
// nobody else: when its queue is full, it is disconnected. The clients share the room, which needs
// no lock, since only one task runs at a time. Ctrl-C ends the chat.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	address := "127.0.0.1:0"
	switch {
	case len(os.Args) == 2 && !strings.HasPrefix(os.Args[1], "-"):
		address = os.Args[1]
	case len(os.Args) > 1:
		fmt.Fprintln(os.Stderr, "usage: chat [ADDR]")
		os.Exit(2)
	}
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		return serve(ctx, address)
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, address string) error {
	room := room{members: make(map[string]*member)}
	server, err := asyncio.StartServer(ctx, room.serve, address, asyncio.WithLimit(maxLine))
	if err != nil {
		return err
	}
	fmt.Println("listening on", server.Addr())
	var interrupted asyncio.Event
	if err := asyncio.RunningLoop(ctx).AddSignalHandler(os.Interrupt, interrupted.Set); err != nil {
		return err
	}
	if err := interrupted.Wait(ctx); err != nil {
		return err
	}
	room.say("* the chat ends")
	return server.Shutdown(ctx, time.Second)
}

const (
	maxLine = 1000 // bytes
	maxWait = 100  // lines that a client has not read yet
)

// A room holds the members by their names.
type room struct{ members map[string]*member }

// A member is a client that has given its name.
type member struct {
	name  string
	lines *asyncio.Queue[string]
	w     *asyncio.StreamWriter
}

// say sends a line to all members.
func (r *room) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...) + "\n"
	for _, name := range slices.Sorted(maps.Keys(r.members)) {
		r.members[name].tell(line)
	}
}

// tell sends the member a line, or disconnects it if its queue is full.
func (m *member) tell(line string) {
	if errors.Is(m.lines.PutNowait(line), asyncio.ErrQueueFull) { // not if it is leaving anyway
		m.w.Abort()
	}
}

// serve serves a client.
func (r *room) serve(ctx context.Context, in *asyncio.StreamReader, out *asyncio.StreamWriter) error {
	name, err := r.askName(ctx, in, out)
	if err != nil {
		return gone(err)
	}
	// Keep the buffer short, so that the queue fills.
	out.SetWriteBufferLimits(4<<10, 1<<10)
	m := &member{name, asyncio.NewQueue[string](maxWait), out}
	r.members[name] = m
	r.say("* %s joins", name)
	sender := asyncio.CreateTask(ctx, asyncio.Do(m.send))
	defer func() {
		delete(r.members, name)
		r.say("* %s leaves", name)
		m.lines.Shutdown(false) // the sender sends the remaining lines
	}()
	if err := r.listen(ctx, in, m); err != nil {
		sender.Cancel()
		return gone(err)
	}
	m.lines.Shutdown(false)
	_, err = sender.Await(ctx)
	return gone(err)
}

// askName asks until it gets a name that nobody else has.
func (r *room) askName(ctx context.Context, in *asyncio.StreamReader, out *asyncio.StreamWriter) (string, error) {
	for {
		fmt.Fprint(out, "your name?\n")
		if err := out.Drain(ctx); err != nil { // a client that does not read has to wait
			return "", err
		}
		line, err := in.ReadLine(ctx)
		if err != nil {
			return "", err
		}
		name := strings.TrimSpace(string(line))
		switch {
		case name == "" || len(name) > 20:
			fmt.Fprint(out, "a name has 1 to 20 letters\n")
		case r.members[name] != nil:
			fmt.Fprintf(out, "%s is taken\n", name)
		default:
			return name, nil
		}
	}
}

// listen passes on the member's lines, until it leaves.
func (r *room) listen(ctx context.Context, in *asyncio.StreamReader, m *member) error {
	for line, err := range in.Lines(ctx) {
		if _, tooLong := errors.AsType[*asyncio.LimitOverrunError](err); tooLong {
			m.tell("* that line was too long\n")
			continue
		} else if err != nil {
			return err
		}
		switch text := strings.TrimSpace(string(line)); text {
		case "":
		case "/who":
			m.tell("* " + strings.Join(slices.Sorted(maps.Keys(r.members)), ", ") + "\n")
		case "/quit":
			return nil
		default:
			r.say("%s: %s", m.name, text)
		}
	}
	return nil
}

// send is the task that sends the member its lines.
func (m *member) send(ctx context.Context) error {
	for {
		line, err := m.lines.Get(ctx)
		if errors.Is(err, asyncio.ErrQueueShutDown) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := m.w.WriteString(line); err != nil {
			return nil // the member has left
		}
		if err := m.w.Drain(ctx); err != nil {
			return err
		}
	}
}

// gone returns err if it is a cancellation and nil otherwise: a client that has vanished is a
// normal end.
func gone(err error) error {
	if errors.Is(err, asyncio.ErrCancelled) {
		return err
	}
	return nil
}
