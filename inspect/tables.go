package inspect

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/go-asyncio/asyncio"
)

// Tables are the other things than tasks that a snapshot has.
type tables struct {
	servers []asyncio.ServerInfo
	streams []asyncio.StreamInfo
	queues  []asyncio.QueueInfo
}

// A section is a table of other things than tasks.
type section struct {
	Title   string   `json:"title"`
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`  // texts and numbers
	Total   int      `json:"total"` // rows that the filter wants
}

// maxSection is the number of rows of a section that are shown.
const maxSection = 100

// sections returns the tables, with the rows that have the text of a filter.
func (s *snapshot) sections(filter string) []section {
	return []section{s.serverSection(filter), s.streamSection(filter), s.queueSection(filter)}
}

// add adds a row, if the filter wants it.
func (s *section) add(filter string, cells ...any) {
	if filter != "" && !strings.Contains(strings.ToLower(fmt.Sprintln(cells...)), filter) {
		return
	}
	if s.Total++; len(s.Rows) < maxSection {
		for i, c := range cells {
			if text, ok := c.(string); ok {
				cells[i] = shorten(text)
			}
		}
		s.Rows = append(s.Rows, cells)
	}
}

func (s *snapshot) serverSection(filter string) section {
	t := section{Title: "Servers", Columns: []string{"Address", "State", "Connections", "At most", "Handlers"}, Rows: [][]any{}}
	for _, v := range s.servers {
		t.add(filter, addresses(v), serverState(v), v.Connections, orNone(v.MaxConnections), v.Handlers)
	}
	return t
}

func addresses(v asyncio.ServerInfo) string {
	var all []string
	for _, a := range v.Addrs {
		all = append(all, a.String())
	}
	text := v.Network
	if v.TLS {
		text += " with TLS"
	}
	return strings.Join(append([]string{text}, all...), " ")
}

func serverState(v asyncio.ServerInfo) string {
	switch {
	case v.Closed:
		return "closed"
	case v.Full:
		return "full"
	case v.Serving:
		return "accepting"
	}
	return "not accepting"
}

// orNone returns a number, or an empty text for 0.
func orNone(n int) any {
	if n == 0 {
		return ""
	}
	return n
}

func (s *snapshot) streamSection(filter string) section {
	t := section{Title: "Streams", Columns: []string{
		"Kind", "Local", "Peer", "Received", "Sent", "To read", "To send", "Drain above", "Age", "Task", "State",
	}, Rows: [][]any{}}
	fullest := slices.SortedStableFunc(slices.Values(s.streams), func(a, b asyncio.StreamInfo) int {
		return cmp.Or(cmp.Compare(b.Unread+b.Unsent, a.Unread+a.Unsent), cmp.Compare(b.Received+b.Sent, a.Received+a.Sent))
	})
	for _, v := range fullest {
		kind, age := v.Kind, ""
		if v.TLS {
			kind += " with TLS"
		}
		if since := s.age(v.Opened); since >= 0 {
			age = brief(since)
		}
		t.add(filter, kind, text(v.Local), text(v.Remote), v.Received, v.Sent, v.Unread, v.Unsent, v.High, age, s.users(v), streamState(v))
	}
	return t
}

// text returns an address as text, or "" if there is none.
func text(addr net.Addr) string {
	if addr == nil {
		return ""
	}
	return addr.String()
}

// users returns the names of the tasks that wait for a stream.
func (s *snapshot) users(v asyncio.StreamInfo) string {
	var users []string
	for _, of := range []struct {
		id uint64
		by string
	}{{v.Reader, " reads"}, {v.Writer, " drains"}} {
		if of.id != 0 {
			users = append(users, s.nameOf(of.id)+of.by)
		}
	}
	return strings.Join(users, ", ")
}

func streamState(v asyncio.StreamInfo) string {
	var states []string
	for _, of := range []struct {
		holds bool
		state string
	}{
		{v.Closing, "closing"}, {v.Ended, "ended by the peer"}, {v.WriteEnded, "ended by WriteEOF"},
		{v.Paused, "reading is paused"}, {v.Full, "full"},
	} {
		if of.holds {
			states = append(states, of.state)
		}
	}
	return strings.Join(states, ", ")
}

func (s *snapshot) queueSection(filter string) section {
	t := section{Title: "Queues", Columns: []string{
		"Name", "Kind", "Values", "At most", "Waiting to get", "Waiting to put", "Unfinished", "State",
	}, Rows: [][]any{}}
	fullest := slices.SortedStableFunc(slices.Values(s.queues), func(a, b asyncio.QueueInfo) int {
		return cmp.Or(cmp.Compare(b.Size+b.Putters+b.Getters, a.Size+a.Putters+a.Getters), cmp.Compare(a.Name, b.Name))
	})
	for _, v := range fullest {
		t.add(filter, v.Name, v.Kind, v.Size, orNone(v.MaxSize), v.Getters, v.Putters, v.Unfinished, queueState(v))
	}
	return t
}

func queueState(v asyncio.QueueInfo) string {
	switch {
	case v.ShutDown:
		return "shut down"
	case v.MaxSize > 0 && v.Size >= v.MaxSize:
		return "full"
	}
	return ""
}

// A slowStep is a step that has blocked the loop, in JSON.
type slowStep struct {
	Name  string  `json:"name"`
	Begin int64   `json:"begin"` // in milliseconds of Unix time
	Took  seconds `json:"took"`  // so far, if it is not over
	Over  bool    `json:"over"`
	Stack []frame `json:"stack"`
}

// Bounds of the slow steps that are shown.
const (
	maxSlowSteps = 20
	maxFrames    = 30
)

// slowStepsOf returns the last of the steps, the newest first.
func slowStepsOf(steps []asyncio.SlowStep) []slowStep {
	newest := []slowStep{}
	for _, s := range slices.Backward(steps) {
		if len(newest) == maxSlowSteps {
			break
		}
		stack := framesOf(s.Stack[:min(len(s.Stack), maxFrames)])
		newest = append(newest, slowStep{shorten(s.Name), s.Begin.UnixMilli(), seconds(max(0, s.Took)), s.Over, stack})
	}
	return newest
}
