// Irc is a bot that says hello to an IRC server, joins a channel and obeys a few commands.
//
//	go run ./examples/ported/irc HOST PORT
//
// It is a port of bottom (github.com/numberoverzero/bottom, MIT), without the table of IRC's commands.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/go-asyncio/asyncio"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: irc HOST PORT")
		os.Exit(2)
	}
	b := &bot{client: newClient(net.JoinHostPort(os.Args[1], os.Args[2]))}
	if _, err := asyncio.Run(context.Background(), asyncio.Do(b.run), asyncio.WithInterrupt()); err != nil {
		fmt.Fprintln(os.Stderr, "irc:", err)
		os.Exit(1)
	}
}

type bot struct {
	*client
	finished []string // the handlers of the race that have returned
}

func (b *bot) run(ctx context.Context) error {
	b.messageHandlers = []messageHandler{b.show, b.parse}
	b.on("ping", func(_ context.Context, e event) (string, error) {
		return "", b.sendMessage("PONG :" + e.params[len(e.params)-1])
	})
	b.on("client_connect", func(ctx context.Context, _ event) (string, error) { return "", b.login(ctx) })
	b.on("privmsg", func(ctx context.Context, e event) (string, error) { return "", b.command(ctx, e) })
	b.on(" Race ", b.runner("slow", 3, nil))
	b.on("RACE", b.runner("quick", 0, nil))
	b.on("race", b.runner("broken", 1, errors.New("out of the race")))

	if err := b.sendMessage("HELLO"); err != nil {
		fmt.Println("error:", err)
	}
	for session := 1; session <= 2; session++ {
		for range 2 { // the second call does nothing
			if err := b.connect(ctx); err != nil {
				return err
			}
		}
		come, err := b.waitFor(ctx, asyncio.AllCompleted, "client_connect")
		if err != nil {
			return err
		}
		fmt.Printf("session %d: %s\n", session, names(come))
		e, err := b.wait(ctx, "client_disconnect")
		if err != nil {
			return err
		}
		fmt.Printf("session %d: %s\n", session, e.name)
	}
	if err := asyncio.GatherErr(ctx, b.connect, b.connect); err != nil {
		return err
	}
	fmt.Println("connected twice:", python(b.isClosing()))
	_, err := b.wait(ctx, "client_disconnect")
	return err
}

// show prints a message, and keeps the empty and the secret ones from the next handler.
func (b *bot) show(ctx context.Context, next func(context.Context, []byte) error, message []byte) error {
	fmt.Printf("< %s\n", message)
	if len(message) == 0 || bytes.HasPrefix(message, []byte("SECRET")) {
		return nil
	}
	return next(ctx, message)
}

// parse triggers the event of a message, which is named for its command.
func (b *bot) parse(ctx context.Context, next func(context.Context, []byte) error, message []byte) error {
	text, nick := string(message), ""
	if strings.HasPrefix(text, ":") {
		var prefix string
		prefix, text, _ = strings.Cut(text[1:], " ")
		nick, _, _ = strings.Cut(prefix, "!")
	}
	head, trailing, _ := strings.Cut(text, " :")
	words := strings.Fields(head)
	e := event{name: words[0], nick: nick, params: words[1:]}
	if trailing != "" {
		e.params = append(e.params, trailing)
	}
	b.trigger(ctx, e)
	return next(ctx, message)
}

func (b *bot) login(ctx context.Context) error {
	for _, message := range []string{"NICK bot", "USER bot 0 * :a bot"} {
		if err := b.sendMessage(message); err != nil {
			return err
		}
	}
	come, err := b.waitFor(ctx, asyncio.FirstCompleted, "376", "422")
	if err != nil {
		return err
	}
	fmt.Println("motd:", names(come))
	if err := b.sendMessage("JOIN #go"); err != nil {
		return err
	}
	if come, err = b.waitFor(ctx, asyncio.AllCompleted, "join", "353", "366"); err != nil {
		return err
	}
	fmt.Println("joined:", names(come))
	return nil
}

func names(come []event) string {
	var names []string
	for _, e := range come {
		names = append(names, e.name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (b *bot) command(ctx context.Context, e event) error {
	target, text := e.params[0], e.params[1]
	if words, ok := strings.CutPrefix(text, "!echo "); ok {
		return b.sendMessage("PRIVMSG " + target + " :" + words)
	}
	switch text {
	case "!race":
		b.finished = nil
		results, err := b.trigger(ctx, event{name: "race", nick: e.nick}).Await(ctx)
		if err != nil {
			return err
		}
		var texts []string
		for _, r := range results {
			if r.Err != nil {
				r.Value = "error " + r.Err.Error()
			}
			texts = append(texts, r.Value)
		}
		return b.sendMessage(fmt.Sprintf("PRIVMSG %s :%s; in order: %s",
			target, strings.Join(texts, ", "), strings.Join(b.finished, ", ")))
	case "!quit":
		if err := b.disconnect(ctx); err != nil {
			return err
		}
		fmt.Println("quit:", python(b.isClosing()))
	}
	return nil
}

// runner returns a handler that gives way to other tasks a few times.
func (b *bot) runner(name string, turns int, err error) handler {
	return func(ctx context.Context, e event) (string, error) {
		for range turns {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return "", err
			}
		}
		b.finished = append(b.finished, name)
		return name + " for " + e.nick, err
	}
}

// python formats a bool as the original prints it.
func python(b bool) string {
	if b {
		return "True"
	}
	return "False"
}
