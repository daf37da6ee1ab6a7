// Crawl fetches the pages of a web site and prints them.
//
//	go run ./examples/crawl [-max pages] [-j jobs] [-timeout 10s] URL
//
// It follows links to the same host, breadth first. net/http fetches the pages in threads, up to -j
// at a time. A task waits for each page, and all tasks share the crawler, without a lock. Ctrl-C
// ends it, and prints the pages fetched so far.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/go-asyncio/asyncio"
)

func main() {
	limit := flag.Int("max", 100, "fetch at most so many `pages`")
	jobs := flag.Int("j", 8, "fetch so many pages at a time (`jobs`)")
	timeout := flag.Duration("timeout", 10*time.Second, "how long a page may take")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: crawl [flags] URL")
		flag.PrintDefaults()
	}
	flag.Parse()
	start, err := url.Parse(flag.Arg(0))
	if flag.NArg() != 1 || err != nil || start.Host == "" || *limit < 1 || *jobs < 1 {
		flag.Usage()
		os.Exit(2)
	}
	c := &crawler{
		client: &http.Client{Timeout: *timeout},
		host:   start.Host,
		limit:  *limit,
		slots:  asyncio.NewSemaphore(*jobs),
		pages:  make(map[string]*page),
	}
	_, err = asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		progress := asyncio.CreateTask(ctx, asyncio.Do(c.showProgress))
		defer progress.Cancel()
		return asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			c.group = tg
			c.found(start)
			return nil
		})
	}), asyncio.WithInterrupt(), asyncio.WithMaxThreads(*jobs))
	c.print()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crawl:", err)
		os.Exit(1)
	}
}

// A crawler is the state that the tasks share.
type crawler struct {
	client *http.Client
	host   string
	limit  int
	slots  *asyncio.Semaphore
	group  *asyncio.TaskGroup
	pages  map[string]*page // by address
	done   int
}

// A page is a page that was found. Its task fills it in.
type page struct {
	status int
	size   int
	links  []*url.URL
	err    error
	done   bool
}

// found creates a task to fetch a page, unless the page is known, belongs to another host, or
// exceeds the maximum.
func (c *crawler) found(u *url.URL) {
	u.Fragment = ""
	if u.Path == "" {
		u.Path = "/"
	}
	address := u.String()
	if u.Host != c.host || u.Scheme != "http" && u.Scheme != "https" || c.pages[address] != nil || len(c.pages) == c.limit {
		return
	}
	p := &page{}
	c.pages[address] = p
	c.group.Go(func(ctx context.Context) error { return c.visit(ctx, address, p) })
}

// visit is the task of a page.
func (c *crawler) visit(ctx context.Context, address string, p *page) error {
	return c.slots.With(ctx, func(ctx context.Context) error {
		got, err := asyncio.ToThread(ctx, func(ctx context.Context) (page, error) {
			return fetch(ctx, c.client, address)
		})
		if errors.Is(err, asyncio.ErrCancelled) {
			return err
		}
		*p = got
		p.err, p.done = err, true // an error of one page does not affect the others
		c.done++
		if asyncio.CurrentTask(ctx).Cancelling() > 0 { // the group takes no more tasks
			return nil
		}
		for _, link := range p.links {
			c.found(link)
		}
		return nil
	})
}

// maxPage limits how many bytes of a page are read.
const maxPage = 10 << 20

// fetch gets a page. It runs in a thread, and so uses no part of the crawler that changes.
func fetch(ctx context.Context, client *http.Client, address string) (page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return page{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return page{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	p := page{status: response.StatusCode, size: len(body)}
	if err == nil {
		p.links = links(response.Request.URL, response.Header.Get("Content-Type"), body)
	}
	return p, err
}

// showProgress is a task that writes a line now and then.
func (c *crawler) showProgress(ctx context.Context) error {
	for {
		if err := asyncio.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "\rcrawl: %d of %d pages", c.done, len(c.pages))
	}
}

// print prints the pages in the order of their addresses.
func (c *crawler) print() {
	fmt.Fprintln(os.Stderr)
	for _, address := range slices.Sorted(maps.Keys(c.pages)) {
		switch p := c.pages[address]; {
		case !p.done:
		case p.err != nil:
			fmt.Printf("  -  %s: %v\n", address, p.err)
		default:
			fmt.Printf("%4d %s  %d bytes, %d links\n", p.status, address, p.size, len(p.links))
		}
	}
}
