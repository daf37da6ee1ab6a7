//go:build integration

package libraries

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/go-asyncio/asyncio"
)

func TestGorillaWebsocket(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, p, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if conn.WriteMessage(kind, p) != nil {
				return
			}
		}
	}))
	defer server.Close()
	inTask(t, func(ctx context.Context) {
		dialer := &websocket.Dialer{NetDialContext: asyncio.NewDialer(ctx).DialContext, HandshakeTimeout: time.Minute}
		bound, cancel := context.WithCancel(ctx)
		conn, _, err := dialer.DialContext(bound, "ws"+server.URL[len("http"):], nil)
		require.NoError(t, err)
		cancel() // ctx bounds only the dial
		big := make([]byte, 64<<20)
		_, _ = rand.Read(big)
		sending := asyncio.CreateTask(ctx, asyncio.Do(func(context.Context) error { return conn.WriteMessage(websocket.BinaryMessage, big) }))
		_, got, err := conn.ReadMessage()
		require.NoError(t, err)
		require.True(t, bytes.Equal(big, got))
		_, err = sending.Await(ctx)
		require.NoError(t, err)
		// Another goroutine closes the connection while a task reads.
		time.AfterFunc(20*time.Millisecond, func() { conn.Close() })
		_, _, err = conn.ReadMessage()
		require.ErrorIs(t, err, net.ErrClosed)

		conn, _, err = dialer.DialContext(ctx, "ws"+server.URL[len("http"):], nil)
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		_, _, err = conn.ReadMessage()
		var netError net.Error
		require.ErrorAs(t, err, &netError)
		require.True(t, netError.Timeout())
		require.NoError(t, conn.Close())
	})
}

func TestMiekgDNS(t *testing.T) {
	mux := dns.NewServeMux()
	mux.HandleFunc(".", func(w dns.ResponseWriter, question *dns.Msg) {
		if question.Question[0].Name == "silence." {
			return
		}
		answer := new(dns.Msg).SetReply(question)
		for range 1000 {
			answer.Answer = append(answer.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: question.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"good"}})
		}
		_ = w.WriteMsg(answer)
	})
	inTask(t, func(ctx context.Context) {
		// The server uses goroutines, on a Listener of the loop.
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := &dns.Server{Listener: ln, Handler: mux}
		served := make(chan error, 1)
		go func() { served <- server.ActivateAndServe() }()

		c, err := asyncio.NewDialer(ctx).Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		conn := &dns.Conn{Conn: c}
		client := &dns.Client{Net: "tcp", Timeout: 30 * time.Second}
		for range 20 {
			answer, _, err := client.ExchangeWithConn(new(dns.Msg).SetQuestion("example.org.", dns.TypeTXT), conn)
			require.NoError(t, err)
			require.Len(t, answer.Answer, 1000)
		}
		client.Timeout = 50 * time.Millisecond
		_, _, err = client.ExchangeWithConn(new(dns.Msg).SetQuestion("silence.", dns.TypeTXT), conn)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, conn.Close())
		_, err = asyncio.ToThread(ctx, func(context.Context) (asyncio.None, error) {
			return asyncio.None{}, errors.Join(server.Shutdown(), <-served)
		})
		require.NoError(t, err)
	})
}

func TestNetHTTP(t *testing.T) {
	inTask(t, func(ctx context.Context) {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-r.Context().Done() // the background read notices
				return
			}
			_, _ = io.Copy(w, r.Body)
		})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		transport := &http.Transport{DialContext: asyncio.NewDialer(ctx).DialContext, IdleConnTimeout: 10 * time.Millisecond}
		client := &http.Client{Transport: transport, Timeout: time.Minute}
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
		post := func() error {
			response, err := client.Post("http://"+ln.Addr().String(), "", bytes.NewReader(data))
			if err != nil {
				return err
			}
			defer response.Body.Close()
			got, err := io.ReadAll(response.Body)
			if err == nil && !bytes.Equal(data, got) {
				err = errors.New("another answer")
			}
			return err
		}
		// In a task the client waits for its goroutines, which need the loop.
		require.ErrorIs(t, post(), asyncio.ErrLoopBlocked)
		_, err = asyncio.ToThread(ctx, func(ctx context.Context) (asyncio.None, error) {
			for range 3 {
				assert.NoError(t, post())
				time.Sleep(15 * time.Millisecond) // the idle connection may be closed meanwhile, or just about to be
			}
			bound, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			request, err := http.NewRequestWithContext(bound, http.MethodGet, "http://"+ln.Addr().String()+"/slow", nil)
			assert.NoError(t, err)
			_, err = client.Do(request)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			transport.CloseIdleConnections()
			err = server.Shutdown(ctx)
			return asyncio.None{}, err
		})
		require.NoError(t, err)
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
}

func TestFastHTTP(t *testing.T) {
	inTask(t, func(ctx context.Context) {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := &fasthttp.Server{Handler: func(r *fasthttp.RequestCtx) { r.SetBody(r.PostBody()) }}
		serving := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			return asyncio.WithTaskGroup(ctx, func(_ context.Context, tg *asyncio.TaskGroup) error {
				for {
					conn, err := ln.Accept()
					if errors.Is(err, net.ErrClosed) {
						return nil
					} else if err != nil {
						return err
					}
					tg.Go(func(context.Context) error { return server.ServeConn(conn) })
				}
			})
		}))
		dialer := asyncio.NewDialer(ctx)
		client := &fasthttp.HostClient{
			Addr:                ln.Addr().String(),
			Dial:                func(addr string) (net.Conn, error) { return dialer.Dial("tcp", addr) },
			MaxIdleConnDuration: 50 * time.Millisecond,
			ReadTimeout:         30 * time.Second,
		}
		for range 20 {
			request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			request.SetRequestURI("http://host/")
			request.Header.SetMethod(fasthttp.MethodPost)
			request.SetBodyString("hello")
			require.NoError(t, client.Do(request, response))
			require.Equal(t, "hello", string(response.Body()))
		}
		// The cleaner closes connections on a goroutine.
		eventually(ctx, t, func() bool { return client.ConnsCount() == 0 })
		require.NoError(t, ln.Close())
		_, err = serving.Await(ctx)
		require.NoError(t, err)
	})
}

func TestGRPC(t *testing.T) {
	inTask(t, func(ctx context.Context) {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(server, health.NewServer())
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		dialer := asyncio.NewDialer(ctx)
		_, err = asyncio.ToThread(ctx, func(ctx context.Context) (asyncio.None, error) {
			conn, err := grpc.NewClient("passthrough:///"+ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) }))
			if err != nil {
				return asyncio.None{}, err
			}
			client := grpc_health_v1.NewHealthClient(conn)
			for range 20 {
				response, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
				if err != nil {
					return asyncio.None{}, err
				}
				assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, response.GetStatus())
			}
			bound, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			watch, err := client.Watch(bound, &grpc_health_v1.HealthCheckRequest{})
			for err == nil {
				_, err = watch.Recv()
			}
			assert.ErrorContains(t, err, "DeadlineExceeded")
			err = conn.Close()
			server.GracefulStop()
			return asyncio.None{}, errors.Join(err, <-served)
		})
		require.NoError(t, err)
	})
}
