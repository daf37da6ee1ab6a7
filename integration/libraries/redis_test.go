//go:build integration

package libraries

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func startRedis(t *testing.T) (addr string) {
	path := need(t, "redis-server")
	h := newHost(t, "redis", "nobody")
	port := freePort(t)
	h.start(t, "tcp", "127.0.0.1:"+port, path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", h.dir)
	return "127.0.0.1:" + port
}

func TestRedigo(t *testing.T) {
	addr := startRedis(t)
	inTask(t, func(ctx context.Context) {
		dialer := asyncio.NewDialer(ctx)
		pool := &redis.Pool{
			MaxIdle:     10,
			IdleTimeout: 20 * time.Millisecond,
			DialContext: func(ctx context.Context) (redis.Conn, error) {
				return redis.DialContext(ctx, "tcp", addr, redis.DialContextFunc(dialer.DialContext), redis.DialReadTimeout(200*time.Millisecond))
			},
		}
		defer pool.Close()
		big := strings.Repeat("0123456789abcdef", 4<<20)
		err := asyncio.WithTaskGroup(ctx, func(ctx context.Context, tg *asyncio.TaskGroup) error {
			for i := range 20 {
				tg.Go(func(ctx context.Context) error {
					conn, err := pool.GetContext(ctx)
					if err != nil {
						return err
					}
					defer conn.Close()
					for j := range 100 {
						if got, err := redis.String(conn.Do("ECHO", fmt.Sprint(i, j))); err != nil || got != fmt.Sprint(i, j) {
							return errors.Join(err, errors.New(got))
						}
					}
					return nil
				})
			}
			return nil
		})
		require.NoError(t, err)

		conn := pool.Get() // an idle connection, or a new one if they have timed out
		got, err := redis.String(redis.DoWithTimeout(conn, time.Minute, "ECHO", big))
		require.NoError(t, err)
		require.True(t, big == got)
		_, err = conn.Do("BLPOP", "nothing", 30) // the read timeout
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var netError net.Error
		require.ErrorAs(t, err, &netError)
		require.True(t, netError.Timeout())
		require.NoError(t, conn.Close())

		// With a context redigo reads on a goroutine and waits for it, so it runs in ToThread.
		conn = pool.Get()
		_, err = asyncio.ToThread(ctx, func(ctx context.Context) (any, error) {
			bound, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			return redis.DoContext(conn, bound, "BLPOP", "nothing", 30)
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, conn.Close())

		err = asyncio.Timeout(ctx, 100*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			conn := pool.Get()
			defer conn.Close()
			_, err := redis.DoWithTimeout(conn, 0, "BLPOP", "nothing", 30)
			return err
		})
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		conn = pool.Get()
		defer conn.Close()
		_, err = conn.Do("PING")
		require.NoError(t, err)
	})
}

// go-redis dials on goroutines of its own and waits for them.
func TestGoRedis(t *testing.T) {
	addr := startRedis(t)
	inTask(t, func(ctx context.Context) {
		dialer := asyncio.NewDialer(ctx)
		options := &goredis.Options{Addr: addr, Dialer: dialer.DialContext, MaxRetries: -1, ConnMaxIdleTime: time.Minute, MinIdleConns: 2, ContextTimeoutEnabled: true}
		_, err := asyncio.ToThread(ctx, func(ctx context.Context) (asyncio.None, error) {
			client := goredis.NewClient(options)
			defer client.Close()
			big := strings.Repeat("0123456789abcdef", 4<<20)
			for range 20 {
				require.NoError(t, client.Set(ctx, "key", "value", 0).Err())
				got, err := client.Get(ctx, "key").Result()
				require.NoError(t, err)
				require.Equal(t, "value", got)
			}
			got, err := client.Echo(ctx, big).Result()
			require.NoError(t, err)
			require.True(t, got == big)
			bound, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			err = client.BLPop(bound, 30*time.Second, "nothing").Err()
			require.Error(t, err)
			// go-redis detects that the server has closed a connection before it uses the
			// connection.
			number, err := client.ClientID(ctx).Result()
			require.NoError(t, err)
			other := goredis.NewClient(options)
			defer other.Close()
			require.NoError(t, other.ClientKillByFilter(ctx, "ID", fmt.Sprint(number)).Err())
			require.Eventually(t, func() bool { return client.Ping(ctx).Err() == nil }, time.Minute, time.Millisecond)
			return asyncio.None{}, client.Ping(ctx).Err()
		})
		require.NoError(t, err)
	})
}
