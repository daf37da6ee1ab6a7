package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func addrPorts(addrs ...string) []netip.AddrPort {
	var ports []netip.AddrPort
	for _, a := range addrs {
		ports = append(ports, netip.AddrPortFrom(netip.MustParseAddr(a), 80))
	}
	return ports
}

func TestTheFamiliesOfAddressesAlternate(t *testing.T) {
	got := asyncio.Interleave(addrPorts("::1", "::2", "::3", "10.0.0.1"))
	require.Equal(t, addrPorts("::1", "10.0.0.1", "::2", "::3"), got)
	got = asyncio.Interleave(addrPorts("10.0.0.1", "::1", "10.0.0.2", "::2", "::3"))
	require.Equal(t, addrPorts("10.0.0.1", "::1", "10.0.0.2", "::2", "::3"), got)
}

// A host describes how an address of a race behaves.
type host struct {
	after time.Duration
	err   error
}

func TestTheFirstAddressToAnswerWinsTheRace(t *testing.T) {
	const delay = 250 * time.Millisecond
	refused := host{time.Millisecond, syscall.ECONNREFUSED}
	silent := host{time.Hour, errBoom}
	for name, test := range map[string]struct {
		hosts []host
		delay time.Duration
		want  []string
	}{
		"the first answers":                      {[]host{{time.Millisecond, nil}, silent}, delay, []string{"0s dial ::1", "1ms got ::1"}},
		"the second is tried after the delay":    {[]host{silent, {time.Millisecond, nil}}, delay, []string{"0s dial ::1", "250ms dial ::2", "251ms got ::2", "251ms ::1 cancelled"}},
		"the second is tried after the failure":  {[]host{refused, {time.Millisecond, nil}}, delay, []string{"0s dial ::1", "1ms dial ::2", "2ms got ::2"}},
		"the first answers late, but wins":       {[]host{{300 * time.Millisecond, nil}, silent}, delay, []string{"0s dial ::1", "250ms dial ::2", "300ms got ::1", "300ms ::2 cancelled"}},
		"both answer at once":                    {[]host{{260 * time.Millisecond, nil}, {10 * time.Millisecond, nil}}, delay, []string{"0s dial ::1", "250ms dial ::2", "260ms got ::1", "260ms discard ::2"}},
		"without a delay they are tried in turn": {[]host{{time.Minute, syscall.ECONNREFUSED}, {time.Millisecond, nil}}, asyncio.Never, []string{"0s dial ::1", "1m0s dial ::2", "1m0.001s got ::2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var r trace
			run(t, func(ctx context.Context) error {
				names := []string{"::1", "::2"}
				hosts := make(map[netip.AddrPort]host)
				for i, a := range addrPorts(names...) {
					hosts[a] = test.hosts[i]
				}
				got, err := asyncio.RaceToConnect(ctx, addrPorts(names...), test.delay,
					func(ctx context.Context, addr netip.AddrPort) (string, error) {
						name := addr.Addr().String()
						r.at(ctx, "dial %s", name)
						if err := asyncio.Sleep(ctx, hosts[addr].after); err != nil {
							r.at(ctx, "%s cancelled", name)
							return "", err
						}
						return name, hosts[addr].err
					},
					func(name string) { r.at(ctx, "discard %s", name) })
				require.NoError(t, err)
				r.at(ctx, "got %s", got)
				return asyncio.Sleep(ctx, time.Second)
			})
			r.expect(t, test.want...)
		})
	}
}

func TestARaceWithoutAWinnerReturnsAllErrors(t *testing.T) {
	run(t, func(ctx context.Context) error {
		_, err := asyncio.RaceToConnect(ctx, addrPorts("::1", "::2"), time.Second,
			func(_ context.Context, addr netip.AddrPort) (string, error) {
				if addr.Addr().String() == "::1" {
					return "", syscall.ECONNREFUSED
				}
				return "", syscall.EHOSTUNREACH
			}, func(string) {})
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.ErrorIs(t, err, syscall.EHOSTUNREACH)
		return nil
	})
}

func TestACancelledRaceEndsItsAttempts(t *testing.T) {
	run(t, func(ctx context.Context) error {
		running := 0
		err := asyncio.Timeout(ctx, time.Second, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := asyncio.RaceToConnect(ctx, addrPorts("::1", "::2"), 10*time.Millisecond,
				func(ctx context.Context, _ netip.AddrPort) (string, error) {
					running++
					defer func() { running-- }()
					return "", asyncio.Sleep(ctx, time.Hour)
				}, func(string) {})
			return err
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.NoError(t, asyncio.Sleep(ctx, 0))
		require.Zero(t, running)
		return nil
	})
}

func TestARefusedConnectionIsAnError(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := ln.Addr().String()
		require.NoError(t, ln.Close())
		_, _, err = asyncio.OpenConnection(ctx, addr)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, addr, op.Addr.String())
		return nil
	})
}

func TestBadAddressesAreRefused(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		for _, addr := range []string{"", "localhost", "127.0.0.1:70000", "127.0.0.1:no-such-service", "[::1"} {
			_, _, err := asyncio.OpenConnection(ctx, addr)
			require.Error(t, err, addr)
			_, err = asyncio.StartServer(ctx, echo, addr)
			require.Error(t, err, addr)
		}
		_, _, err := asyncio.OpenConnection(ctx, "127.0.0.1:1", asyncio.WithNetwork("tcp6"))
		var bad *net.AddrError
		require.ErrorAs(t, err, &bad)
		return nil
	})
}

func TestAnUnansweredConnectionCanTimeOut(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		// A listener whose backlog is full does not answer.
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithoutServing(), asyncio.WithBacklog(0))
		require.NoError(t, err)
		defer server.Close()
		var timedOut error
		for range 5 {
			timedOut = asyncio.Timeout(ctx, 50*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
				_, w, err := asyncio.OpenConnection(ctx, server.Addr().String())
				if err == nil {
					defer w.Close()
				}
				return err
			})
			if timedOut != nil {
				break
			}
		}
		if !errors.Is(timedOut, asyncio.ErrTimeout) {
			t.Skipf("the system let all in: %v", timedOut)
		}
		return nil
	})
}

func TestAConnectionIsBoundToItsLocalAddress(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.NoError(t, err)
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		local := free.Addr().String()
		require.NoError(t, free.Close())
		_, w, err := asyncio.OpenConnection(ctx, server.Addr().String(), asyncio.WithLocalAddr(local))
		require.NoError(t, err)
		require.Equal(t, local, w.LocalAddr().String())
		require.Equal(t, server.Addr().String(), w.RemoteAddr().String())
		require.NoError(t, w.Close())
		require.NoError(t, w.WaitClosed(ctx))
		return server.Shutdown(ctx, time.Minute)
	})
}

func TestALocalAddressMustHaveTheSameFamily(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.NoError(t, err)
		_, w, err := asyncio.OpenConnection(ctx, server.Addr().String(), asyncio.WithLocalAddr("localhost:0"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		_, _, err = asyncio.OpenConnection(ctx, server.Addr().String(), asyncio.WithLocalAddr("[::1]:0"))
		require.ErrorContains(t, err, "no local address of the same family")
		return server.Shutdown(ctx, time.Minute)
	})
}

// The system connects a socket to itself if the socket's own port happens to be the one dialed.
func TestAConnectionToItselfIsRefused(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := free.Addr().String()
		require.NoError(t, free.Close())
		_, _, err = asyncio.OpenConnection(ctx, addr, asyncio.WithLocalAddr(addr))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		return nil
	})
}

func TestNamesAreLookedUp(t *testing.T) {
	runReal(t, func(ctx context.Context) error {
		addrs, err := asyncio.RunningLoop(ctx).GetAddrInfo(ctx, "tcp4", "localhost:http")
		require.NoError(t, err)
		require.Contains(t, addrs, netip.MustParseAddrPort("127.0.0.1:80"))
		_, err = asyncio.RunningLoop(ctx).GetAddrInfo(ctx, "tcp", "no-such-host.invalid:80")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		for _, network := range []string{"", "dcp", "unix", "ip", "tcp46", "TCP"} {
			_, err := asyncio.RunningLoop(ctx).GetAddrInfo(ctx, network, "127.0.0.1:80")
			require.Equal(t, net.UnknownNetworkError(network), err)
		}
		return nil
	})
}

func TestAddressesHaveNames(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the resolver does not read the hosts file there")
	}
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errBoom // only the hosts file is left
	}}
	runReal(t, func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		host, port, err := l.GetNameInfo(ctx, netip.MustParseAddrPort("127.0.0.1:80"))
		require.NoError(t, err)
		require.Equal(t, "localhost", host)
		require.Equal(t, "80", port)
		_, _, err = l.GetNameInfo(ctx, netip.MustParseAddrPort("192.0.2.1:80"))
		require.ErrorContains(t, err, "boom", "an address that cannot be looked up")
		_, _, err = l.GetNameInfo(ctx, netip.AddrPort{})
		require.ErrorContains(t, err, "invalid address")
		return nil
	})
}

// withoutNames makes name servers answer that an address has no name.
func withoutNames(t *testing.T) {
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe() // not a PacketConn, so that messages are preceded by their length
		go func() {
			defer server.Close()
			p := make([]byte, 2)
			if _, err := io.ReadFull(server, p); err != nil {
				return
			}
			query := make([]byte, int(p[0])<<8|int(p[1]))
			if _, err := io.ReadFull(server, query); err != nil {
				return
			}
			const answer, noSuchName = 0x80, 3
			query[2] |= answer
			query[3] = noSuchName
			_, _ = server.Write(append(p, query...))
		}()
		return client, nil
	}}
}

func TestAnAddressWithoutANameIsReturnedAsItIs(t *testing.T) {
	withoutNames(t)
	runReal(t, func(ctx context.Context) error {
		for _, want := range []string{"192.0.2.1", "2001:db8::1", "fe80::1%7"} {
			host, port, err := asyncio.RunningLoop(ctx).GetNameInfo(ctx, netip.AddrPortFrom(netip.MustParseAddr(want), 1234))
			require.NoError(t, err)
			require.Equal(t, want, host)
			require.Equal(t, "1234", port)
		}
		return nil
	})
}

func TestACancelledLookupOfAnAddressReturnsAtOnce(t *testing.T) {
	asked := withSlowNames(t)
	runReal(t, func(ctx context.Context) error {
		task := spawn(ctx, func(ctx context.Context) error {
			_, _, err := asyncio.RunningLoop(ctx).GetNameInfo(ctx, netip.MustParseAddrPort("192.0.2.1:80"))
			return err
		})
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-asked; return 1, nil })
		require.NoError(t, err)
		task.Cancel()
		require.ErrorIs(t, errOf(ctx, task), asyncio.ErrCancelled)
		return nil
	})
}

func TestDescriptorsAndVirtualTimeDoNotMix(t *testing.T) {
	run(t, func(ctx context.Context) error {
		_, _, err := asyncio.OpenConnection(ctx, "127.0.0.1:1")
		require.ErrorIs(t, err, asyncio.ErrVirtualIO)
		_, err = asyncio.StartServer(ctx, echo, "127.0.0.1:0")
		require.ErrorIs(t, err, asyncio.ErrVirtualIO)
		require.ErrorIs(t, asyncio.RunningLoop(ctx).AddReader(0, func() {}), asyncio.ErrVirtualIO)
		return nil
	})
}

// withSlowNames makes every name server silent for the test, and returns a channel that receives a
// value after a query.
func withSlowNames(t *testing.T) (asked chan struct{}) {
	asked = make(chan struct{}, 1)
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	return asked
}

// Functions that hold all slots of ToThread for long do not delay lookups of names, nor do lookups
// that get no answer delay the functions.
func TestLookupsAndFunctionsOfToThreadDoNotDelayOneAnother(t *testing.T) {
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := asyncio.Run(limit, asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		block := make(chan struct{})
		defer close(block)
		for range 20 {
			asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return asyncio.ToThread(ctx, blockedOne(block)) })
		}
		giveWay(ctx, 2)
		addrs, err := l.GetAddrInfo(ctx, "tcp", "localhost:80")
		assert.NotEmpty(t, addrs)
		return err
	}), asyncio.WithMaxThreads(6))
	require.NoError(t, err)

	asked := withSlowNames(t)
	_, err = asyncio.Run(limit, asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		for range 10 {
			spawn(ctx, func(ctx context.Context) error {
				_, err := l.GetAddrInfo(ctx, "tcp", "silent.invalid:80")
				return err
			})
		}
		giveWay(ctx, 2)
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-asked; return 1, nil })
		return err
	}), asyncio.WithMaxThreads(1))
	require.NoError(t, err)
}

func TestACancelledLookupReturnsAtOnceAndLeavesNothing(t *testing.T) {
	const lookups = 1000 // far more than run at a time
	asked := withSlowNames(t)
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before := goroutines()
	_, err := asyncio.Run(limit, asyncio.Do(func(ctx context.Context) error {
		l := asyncio.RunningLoop(ctx)
		tasks := make([]*asyncio.Task[asyncio.None], lookups)
		for i := range tasks {
			tasks[i] = spawn(ctx, func(ctx context.Context) error {
				_, err := l.GetAddrInfo(ctx, "tcp", fmt.Sprintf("silent%d.invalid:80", i))
				return err
			})
		}
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-asked; return 1, nil })
		assert.LessOrEqual(t, goroutines(), before+3*lookups+10*64)
		for _, task := range tasks {
			task.Cancel()
		}
		giveWay(ctx, 3)
		for _, task := range tasks {
			assert.True(t, task.Cancelled())
		}
		return err
	}))
	require.NoError(t, err)
	assert.Eventually(t, func() bool { return goroutines() <= before+3 }, 30*time.Second, time.Millisecond)
}

func TestInVirtualTimeALookupStopsTheClock(t *testing.T) {
	var tr trace
	inTurn(t, func(ctx context.Context) {
		spawn(ctx, func(ctx context.Context) error {
			err := asyncio.Sleep(ctx, time.Second)
			tr.at(ctx, "slept")
			return err
		})
		_, err := asyncio.RunningLoop(ctx).GetAddrInfo(ctx, "tcp", "localhost:80")
		assert.NoError(t, err)
		tr.at(ctx, "looked up")
		_ = asyncio.Sleep(ctx, 2*time.Second)
	})
	tr.expect(t, "0s looked up", "1s slept")
}
