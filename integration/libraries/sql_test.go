//go:build integration

package libraries

import (
	"context"
	"database/sql"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

// A database describes a database that database/sql uses by one driver, over the loop's
// connections.
type database struct {
	open   func(t *testing.T, ctx context.Context) *sql.DB
	sleep  string // a query that takes 30 seconds
	length string // a query for the length of its parameter
	own    string // a query for the number of its connection
	hides  bool   // the driver has an error of its own for a broken connection
	waits  bool   // the driver waits for a goroutine of its own while it sends much
	kill   string // ends the connection with a given number
}

func startPostgres(t *testing.T) (addr string) {
	initdb, postgres := need(t, "initdb"), need(t, "postgres")
	h := newHost(t, "postgres", "nobody")
	port := freePort(t)
	h.run(t, initdb, "-D", h.dir+"/data", "-U", "tester", "-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8")
	h.start(t, "tcp", "127.0.0.1:"+port, postgres, "-D", h.dir+"/data", "-p", port, "-k", h.dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
	addr = "127.0.0.1:" + port
	for range 3000 { // it listens before it answers
		conn, err := pgx.Connect(t.Context(), "postgres://tester@"+addr+"/postgres?sslmode=disable")
		if err == nil {
			require.NoError(t, conn.Close(t.Context()))
			return addr
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("PostgreSQL does not answer")
	return ""
}

func postgres(open func(t *testing.T, ctx context.Context) *sql.DB) database {
	return database{
		open:   open,
		sleep:  "select pg_sleep(30)",
		length: "select length($1::text)",
		own:    "select pg_backend_pid()",
		kill:   "select pg_terminate_backend($1)",
	}
}

func pgxConfig(t *testing.T, ctx context.Context, addr string) *pgx.ConnConfig {
	config, err := pgx.ParseConfig("postgres://tester@" + addr + "/postgres?sslmode=disable")
	require.NoError(t, err)
	config.DialFunc = asyncio.NewDialer(ctx).DialContext
	return config
}

// pqDialer adds a method that lib/pq needs.
type pqDialer struct{ *asyncio.Dialer }

func (d pqDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

func TestPostgreSQL(t *testing.T) {
	addr := startPostgres(t)
	t.Run("pgx", func(t *testing.T) {
		d := postgres(func(t *testing.T, ctx context.Context) *sql.DB {
			return stdlib.OpenDB(*pgxConfig(t, ctx, addr))
		})
		d.waits = true
		testDatabase(t, d)
	})
	t.Run("pq", func(t *testing.T) {
		testDatabase(t, postgres(func(t *testing.T, ctx context.Context) *sql.DB {
			connector, err := pq.NewConnector("postgres://tester@" + addr + "/postgres?sslmode=disable")
			require.NoError(t, err)
			connector.Dialer(pqDialer{asyncio.NewDialer(ctx)})
			return sql.OpenDB(connector)
		}))
	})
	t.Run("pgx without database/sql", func(t *testing.T) { testPgx(t, addr) })
}

func TestMariaDB(t *testing.T) {
	install, mariadbd := need(t, "mariadb-install-db"), need(t, "mariadbd")
	h := newHost(t, "mysql", "nobody")
	port := freePort(t)
	h.run(t, install, "--no-defaults", "--datadir="+h.dir+"/data", "--auth-root-authentication-method=normal", "--skip-test-db")
	h.start(t, "tcp", "127.0.0.1:"+port, mariadbd, "--no-defaults", "--datadir="+h.dir+"/data", "--socket="+h.dir+"/socket",
		"--port="+port, "--bind-address=127.0.0.1", "--max-allowed-packet=256M", "--innodb-flush-log-at-trx-commit=0")
	testDatabase(t, database{
		open: func(t *testing.T, ctx context.Context) *sql.DB {
			config := mysql.NewConfig()
			config.User, config.Net, config.Addr, config.MaxAllowedPacket = "root", "tcp", "127.0.0.1:"+port, 256<<20
			config.DialFunc = asyncio.NewDialer(ctx).DialContext
			connector, err := mysql.NewConnector(config)
			require.NoError(t, err)
			return sql.OpenDB(connector)
		},
		sleep:  "select sleep(30)",
		length: "select length(?)",
		own:    "select connection_id()",
		kill:   "kill ?",
		hides:  true,
	})
}

// testDatabase uses database/sql in tasks.
func testDatabase(t *testing.T, d database) {
	with := func(name string, body func(t *testing.T, ctx context.Context, db *sql.DB)) {
		t.Run(name, func(t *testing.T) {
			inTask(t, func(ctx context.Context) {
				db := d.open(t, ctx)
				body(t, ctx, db)
				var one int // the task goes on
				assert.NoError(t, db.QueryRowContext(ctx, "select 1").Scan(&one))
				assert.NoError(t, db.Close())
			})
		})
	}
	with("queries of many tasks", func(t *testing.T, ctx context.Context, db *sql.DB) {
		var tasks []*asyncio.Task[int]
		for i := range 20 {
			tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (n int, err error) {
				for range 20 {
					if err := db.QueryRowContext(ctx, d.length, strings.Repeat("x", i)).Scan(&n); err != nil {
						return n, err
					}
				}
				return n, nil
			}))
		}
		lengths, err := asyncio.Gather(ctx, tasks...).Await(ctx)
		require.NoError(t, err)
		for i, n := range lengths {
			require.Equal(t, i, n)
		}
	})
	with("a deadline of the context", func(t *testing.T, ctx context.Context, db *sql.DB) {
		start := time.Now()
		bound, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		_, err := db.ExecContext(bound, d.sleep)
		require.Error(t, err)
		require.Less(t, time.Since(start), 20*time.Second)
	})
	with("a context that is cancelled", func(t *testing.T, ctx context.Context, db *sql.DB) {
		start := time.Now()
		bound, cancel := context.WithCancel(ctx)
		asyncio.RunningLoop(ctx).CallLater(100*time.Millisecond, cancel)
		_, err := db.ExecContext(bound, d.sleep)
		require.Error(t, err)
		require.Less(t, time.Since(start), 20*time.Second)
	})
	with("asyncio's timeout", func(t *testing.T, ctx context.Context, db *sql.DB) {
		start := time.Now()
		err := asyncio.Timeout(ctx, 200*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := db.ExecContext(ctx, d.sleep)
			return err
		})
		if !d.hides {
			require.ErrorIs(t, err, asyncio.ErrTimeout)
		}
		require.Error(t, err)
		require.Less(t, time.Since(start), 20*time.Second)
	})
	with("asyncio's timeout, with connections to try again with", func(t *testing.T, ctx context.Context, db *sql.DB) {
		db.SetMaxIdleConns(3)
		var busy []*sql.Conn
		for range 3 {
			conn, err := db.Conn(ctx)
			require.NoError(t, err)
			busy = append(busy, conn)
		}
		for _, conn := range busy {
			require.NoError(t, conn.Close())
		}
		start := time.Now()
		err := asyncio.Timeout(ctx, 200*time.Millisecond, func(ctx context.Context, _ *asyncio.TimeoutScope) error {
			_, err := db.ExecContext(ctx, d.sleep)
			return err
		})
		require.Error(t, err)
		require.Less(t, time.Since(start), 20*time.Second)
	})
	with("a transaction", func(t *testing.T, ctx context.Context, db *sql.DB) {
		bound, cancel := context.WithCancel(ctx)
		defer cancel()
		tx, err := db.BeginTx(bound, nil)
		require.NoError(t, err)
		var n int
		require.NoError(t, tx.QueryRowContext(bound, d.length, "four").Scan(&n))
		require.Equal(t, 4, n)
		require.NoError(t, tx.Commit())
	})
	with("a parameter of 64 MB", func(t *testing.T, ctx context.Context, db *sql.DB) {
		const size = 64 << 20
		query := func(ctx context.Context) (n int, err error) {
			return n, db.QueryRowContext(ctx, d.length, strings.Repeat("x", size)).Scan(&n)
		}
		if !d.waits {
			n, err := query(ctx)
			require.NoError(t, err)
			require.Equal(t, size, n)
		} else if n, err := query(ctx); err == nil { // the query was sent fast enough
			require.Equal(t, size, n)
		} else {
			require.ErrorIs(t, err, asyncio.ErrLoopBlocked)
		}
		n, err := asyncio.ToThread(ctx, query)
		require.NoError(t, err)
		require.Equal(t, size, n)
	})
	with("the cleaner of idle connections", func(t *testing.T, ctx context.Context, db *sql.DB) {
		db.SetConnMaxIdleTime(time.Millisecond)
		require.NoError(t, db.PingContext(ctx))
		eventually(ctx, t, func() bool { return db.Stats().MaxIdleTimeClosed > 0 })
	})
	with("a connection that the server has closed", func(t *testing.T, ctx context.Context, db *sql.DB) {
		other := d.open(t, ctx)
		defer other.Close()
		var number int
		require.NoError(t, db.QueryRowContext(ctx, d.own).Scan(&number))
		_, err := other.ExecContext(ctx, d.kill, number)
		require.NoError(t, err)
		require.NoError(t, asyncio.Sleep(ctx, 1100*time.Millisecond)) // pgx checks a connection only after a second
	})
}

// testPgx tests the parts of pgx that use goroutines of its own.
func testPgx(t *testing.T, addr string) {
	inTask(t, func(ctx context.Context) {
		conn, err := pgx.ConnectConfig(ctx, pgxConfig(t, ctx, addr))
		require.NoError(t, err)
		_, err = conn.Exec(ctx, "create temporary table numbers (n int)")
		require.NoError(t, err)
		const rows = 100_000
		// CopyFrom waits for a goroutine that writes.
		n, err := asyncio.ToThread(ctx, func(ctx context.Context) (int64, error) {
			return conn.CopyFrom(ctx, pgx.Identifier{"numbers"}, []string{"n"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return []any{i}, nil }))
		})
		require.NoError(t, err)
		require.EqualValues(t, rows, n)
		var sum int
		require.NoError(t, conn.QueryRow(ctx, "select sum(n) from numbers").Scan(&sum))
		require.Equal(t, rows*(rows-1)/2, sum)
		_, err = conn.Exec(ctx, "listen news")
		require.NoError(t, err)
		waiting := asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			news, err := conn.WaitForNotification(ctx)
			if err != nil {
				return "", err
			}
			return news.Payload, nil
		})
		other, err := pgx.ConnectConfig(ctx, pgxConfig(t, ctx, addr))
		require.NoError(t, err)
		_, err = other.Exec(ctx, "select pg_notify('news', 'good')")
		require.NoError(t, err)
		payload, err := waiting.Await(ctx)
		require.NoError(t, err)
		require.Equal(t, "good", payload)
		require.NoError(t, other.Close(ctx))
		require.NoError(t, conn.Close(ctx))
	})
}
