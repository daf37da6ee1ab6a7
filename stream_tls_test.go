package asyncio_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-asyncio/asyncio"
	"github.com/stretchr/testify/require"
)

// certificates returns the configs of a server called "example.test" and of a client that trusts
// it.
var certificates = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "asyncio test"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"example.test", "localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	client = &tls.Config{RootCAs: pool, ServerName: "example.test"}
	return server, client
})

// tlsPair makes a pair of streams in memory that speak TLS.
func tlsPair(t *testing.T, ctx context.Context) (client, server asyncio.Stream) {
	t.Helper()
	serverConfig, clientConfig := certificates()
	client, server = asyncio.StreamPair(ctx)
	_, err := asyncio.Gather(ctx,
		asyncio.Do(func(ctx context.Context) error { return client.Writer.StartTLS(ctx, clientConfig) }),
		asyncio.Do(func(ctx context.Context) error { return server.Writer.StartTLS(ctx, serverConfig) }),
	).Await(ctx)
	require.NoError(t, err)
	return client, server
}

func TestTLSCarriesDataBothWaysInMemory(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := tlsPair(t, ctx)
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
		for _, way := range []struct{ from, to asyncio.Stream }{{client, server}, {server, client}} {
			send := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
				for p := data; len(p) > 0; p = p[1<<14:] {
					if _, err := way.from.Writer.Write(p[:1<<14]); err != nil {
						return err
					}
					if err := way.from.Writer.Drain(ctx); err != nil {
						return err
					}
				}
				return nil
			}))
			got, err := way.to.Reader.ReadExactly(ctx, len(data))
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
			_, err = send.Await(ctx)
			require.NoError(t, err)
		}
		require.IsType(t, &tls.Conn{}, client.Writer.GetExtraInfo("ssl_object"))
		require.IsType(t, &x509.Certificate{}, client.Writer.GetExtraInfo("peercert"))
		require.False(t, client.Writer.CanWriteEOF())

		require.NoError(t, client.Writer.Close())
		_, err := server.Reader.Read(ctx, 1)
		require.Equal(t, io.EOF, err)
		require.NoError(t, server.Writer.Close())
		require.NoError(t, server.Writer.WaitClosed(ctx))
		return client.Writer.WaitClosed(ctx)
	})
}

func TestACancelledTLSReadLosesNothing(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := tlsPair(t, ctx)
		sent := bytes.Repeat([]byte("x"), 200_000)
		send := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for _, b := range sent {
				_, err := client.Writer.Write([]byte{b})
				require.NoError(t, err)
			}
			return client.Writer.Close()
		}))
		var got []byte
		for {
			// The task is cancelled at every stage of a read.
			task := asyncio.CreateTask(ctx, asyncio.Bind(func(ctx context.Context, n int) ([]byte, error) {
				return server.Reader.Read(ctx, n)
			}, 7919))
			for range len(got) % 3 {
				require.NoError(t, asyncio.Sleep(ctx, 0))
			}
			task.Cancel()
			p, err := task.Await(ctx)
			if err == io.EOF {
				break
			}
			if !errors.Is(err, asyncio.ErrCancelled) {
				require.NoError(t, err)
			}
			got = append(got, p...)
			p, err = server.Reader.Read(ctx, 1001)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			got = append(got, p...)
		}
		require.Equal(t, len(sent), len(got))
		_, err := send.Await(ctx)
		return err
	})
}

func TestTLSVerifiesThePeer(t *testing.T) {
	serverConfig, clientConfig := certificates()
	wrongName := clientConfig.Clone()
	wrongName.ServerName = "other.test"
	for name, test := range map[string]struct {
		config *tls.Config
		want   func(error) bool
	}{
		"unknown authority": {&tls.Config{ServerName: "example.test"}, func(err error) bool { return errors.As(err, new(x509.UnknownAuthorityError)) }},
		"wrong name":        {wrongName, func(err error) bool { return errors.As(err, new(x509.HostnameError)) }},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				client, server := asyncio.StreamPair(ctx)
				accept := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
					return server.Writer.StartTLS(ctx, serverConfig)
				}))
				err := client.Writer.StartTLS(ctx, test.config)
				require.Truef(t, test.want(err), "got %v", err)
				require.True(t, client.Writer.IsClosing())
				_, err = accept.Await(ctx)
				require.ErrorContains(t, err, "bad certificate") // the alert has arrived
				return nil
			})
		})
	}
}

func TestATLSHandshakeWithASilentPeerTimesOut(t *testing.T) {
	run(t, func(ctx context.Context) error {
		_, clientConfig := certificates()
		client, _ := asyncio.StreamPair(ctx)
		start := asyncio.RunningLoop(ctx).Time()
		err := client.Writer.StartTLS(ctx, clientConfig, asyncio.WithTLSHandshakeTimeout(5*time.Second))
		require.ErrorIs(t, err, asyncio.ErrTimeout)
		require.Equal(t, 5*time.Second, asyncio.RunningLoop(ctx).Time()-start)
		return client.Writer.WaitClosed(ctx)
	})
}

func TestAPanicInATLSCallbackClosesTheConnection(t *testing.T) {
	run(t, func(ctx context.Context) error {
		serverConfig, clientConfig := certificates()
		clientConfig = clientConfig.Clone()
		clientConfig.VerifyConnection = func(tls.ConnectionState) error { panic("boom") }
		client, server := asyncio.StreamPair(ctx)
		accept := spawn(ctx, func(ctx context.Context) error { return server.Writer.StartTLS(ctx, serverConfig) })
		require.PanicsWithValue(t, "boom", func() { _ = client.Writer.StartTLS(ctx, clientConfig) })
		require.True(t, client.Writer.IsClosing())
		require.Error(t, errOf(ctx, accept))
		return nil
	})
}

func TestTLSWithoutAConfigPanics(t *testing.T) {
	inTurn(t, func(ctx context.Context) {
		client, _ := asyncio.StreamPair(ctx)
		require.PanicsWithValue(t, "asyncio: nil TLS config", func() { _ = client.Writer.StartTLS(ctx, nil) })
	})
}

func TestAConnectionAnswersGetExtraInfoDuringTheTLSHandshake(t *testing.T) {
	run(t, func(ctx context.Context) error {
		_, clientConfig := certificates()
		client, _ := asyncio.StreamPair(ctx)
		handshake := spawn(ctx, func(ctx context.Context) error { return client.Writer.StartTLS(ctx, clientConfig) })
		settled(ctx)
		require.Equal(t, "server", client.Writer.RemoteAddr().String())
		for _, name := range []string{"ssl_object", "cipher", "peercert"} {
			require.Nil(t, client.Writer.GetExtraInfo(name), name)
		}
		handshake.Cancel()
		join(ctx, handshake)
		return nil
	})
}

func TestATLSWriterDetectsAReset(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := tlsPair(t, ctx)
		_, err := client.Writer.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		drain := spawn(ctx, client.Writer.Drain)
		settled(ctx)
		server.Writer.Reset()
		require.ErrorIs(t, errOf(ctx, drain), syscall.ECONNRESET)
		require.True(t, client.Writer.IsClosing())
		require.NoError(t, client.Writer.Close())
		require.ErrorIs(t, client.Writer.WaitClosed(ctx), syscall.ECONNRESET)

		// The same holds for a connection that is being closed.
		client, server = tlsPair(t, ctx)
		_, err = client.Writer.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, client.Writer.Close())
		server.Writer.Reset()
		require.ErrorIs(t, client.Writer.WaitClosed(ctx), syscall.ECONNRESET)
		return nil
	})
}

func TestACancelledTLSHandshakeClosesTheConnection(t *testing.T) {
	run(t, func(ctx context.Context) error {
		_, clientConfig := certificates()
		client, server := asyncio.StreamPair(ctx)
		task := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			return client.Writer.StartTLS(ctx, clientConfig)
		}))
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		task.Cancel()
		_, err := task.Await(ctx)
		require.ErrorIs(t, err, asyncio.ErrCancelled)
		hello, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.NotEmpty(t, hello)
		return client.Writer.WaitClosed(ctx)
	})
}

func TestStartTLSTreatsReceivedBytesAsCiphertext(t *testing.T) {
	run(t, func(ctx context.Context) error {
		serverConfig, clientConfig := certificates()
		client, server := asyncio.StreamPair(ctx)
		up := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			// The line and the client's hello reach the server in one piece.
			_, err := client.Writer.WriteString("STARTTLS\r\n")
			require.NoError(t, err)
			if err := client.Writer.StartTLS(ctx, clientConfig); err != nil {
				return err
			}
			_, err = client.Writer.WriteString("secret\n")
			return err
		}))
		require.NoError(t, asyncio.Sleep(ctx, time.Second))
		line, err := server.Reader.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "STARTTLS\r\n", string(line))
		require.NoError(t, server.Writer.StartTLS(ctx, serverConfig))
		line, err = server.Reader.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "secret\n", string(line))
		_, err = up.Await(ctx)
		return err
	})
}

func TestStartTLSRefusesAnInjectedPlainText(t *testing.T) {
	run(t, func(ctx context.Context) error {
		serverConfig, _ := certificates()
		client, server := asyncio.StreamPair(ctx)
		_, err := client.Writer.WriteString("STARTTLS\r\nRCPT TO:<eve@example.test>\r\n")
		require.NoError(t, err)
		_, err = server.Reader.ReadLine(ctx)
		require.NoError(t, err)
		err = server.Writer.StartTLS(ctx, serverConfig)
		require.ErrorAs(t, err, new(tls.RecordHeaderError))
		return nil
	})
}

func TestTLSWorksWithGosClientAndWithGosServer(t *testing.T) {
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithTLS(serverConfig))
		require.NoError(t, err)
		addr := server.Addr().String()
		got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) {
			conn, err := tls.Dial("tcp", addr, clientConfig)
			if err != nil {
				return "", err
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "over\n"); err != nil {
				return "", err
			}
			if err := conn.CloseWrite(); err != nil {
				return "", err
			}
			p, err := io.ReadAll(conn)
			return string(p), err
		})
		require.NoError(t, err)
		require.Equal(t, "over\n", got)

		ln, err := tls.Listen("tcp", "127.0.0.1:0", serverConfig)
		require.NoError(t, err)
		defer ln.Close()
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		}()
		config := clientConfig.Clone()
		config.ServerName = "" // the default is the host, an address that the certificate has
		r, w, err := asyncio.OpenConnection(ctx, ln.Addr().String(), asyncio.WithTLS(config))
		require.NoError(t, err)
		_, err = w.WriteString("and out\n")
		require.NoError(t, err)
		line, err := r.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "and out\n", string(line))
		require.NoError(t, w.Close())
		require.NoError(t, w.WaitClosed(ctx))
		return server.Shutdown(ctx, time.Minute)
	})
}

func TestAClientThatVanishesInTheHandshakeEndsOnlyItsConnection(t *testing.T) {
	withoutDebug(t)
	serverConfig, clientConfig := certificates()
	runReal(t, func(ctx context.Context) error {
		server, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithTLS(serverConfig))
		require.NoError(t, err)
		_, w, err := asyncio.OpenConnection(ctx, server.Addr().String())
		require.NoError(t, err)
		_, err = w.Write([]byte{22, 3, 1, 2}) // a handshake begins
		require.NoError(t, err)
		w.Abort()
		r, w, err := asyncio.OpenConnection(ctx, server.Addr().String(), asyncio.WithTLS(clientConfig))
		require.NoError(t, err)
		_, err = w.WriteString("still there\n")
		require.NoError(t, err)
		line, err := r.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "still there\n", string(line))
		require.NoError(t, w.Close())
		return server.Shutdown(ctx, time.Minute)
	})
}

// Bytes that the peer does not read are kept in plain text and encrypted when there is room. So a
// Write never encrypts much, and the kept bytes do not grow.
func TestATLSWriterEncryptsOnlyBytesThatAreAboutToBeSent(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := tlsPair(t, ctx)
		const n = 20_000
		for range n { // each would be a record of 23 bytes if it were encrypted
			_, err := client.Writer.Write([]byte("x"))
			require.NoError(t, err)
		}
		require.Less(t, client.Writer.WriteBufferSize(), n+80*kib)
		require.NoError(t, client.Writer.Close())
		got, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, n)
		return client.Writer.WaitClosed(ctx)
	})
}

func TestReadingFromAnEndlessTLSPeerLetsOtherTasksRun(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := tlsPair(t, ctx)
		spawn(ctx, func(ctx context.Context) error {
			for {
				if _, err := client.Writer.Write(make([]byte, 64*kib)); err != nil {
					return err
				}
				if err := client.Writer.Drain(ctx); err != nil {
					return err
				}
			}
		})
		spawn(ctx, func(ctx context.Context) error {
			_, err := server.Reader.Read(ctx, -1)
			return err
		})
		giveWay(ctx, 100)
		return nil
	})
}

func TestTLSRefusesConfigsAtOnceAndLeavesTheConnection(t *testing.T) {
	run(t, func(ctx context.Context) error {
		_, clientConfig := certificates()
		renegotiating := clientConfig.Clone()
		renegotiating.Renegotiation = tls.RenegotiateOnceAsClient
		client, server := asyncio.StreamPair(ctx)
		require.ErrorContains(t, client.Writer.StartTLS(ctx, renegotiating), "renegotiation")
		require.ErrorContains(t, client.Writer.StartTLS(ctx, &tls.Config{}), "ServerName")
		require.ErrorContains(t, server.Writer.StartTLS(ctx, &tls.Config{}), "Certificates")
		_, err := client.Writer.WriteString("still in the clear\n")
		require.NoError(t, err)
		line, err := server.Reader.ReadLine(ctx)
		require.NoError(t, err)
		require.Equal(t, "still in the clear\n", string(line))
		return nil
	})
}

func TestTLSGoesOverTLS(t *testing.T) {
	run(t, func(ctx context.Context) error {
		serverConfig, clientConfig := certificates()
		client, server := tlsPair(t, ctx)
		inner := asyncio.Gather(ctx,
			asyncio.Do(func(ctx context.Context) error { return client.Writer.StartTLS(ctx, clientConfig) }),
			asyncio.Do(func(ctx context.Context) error { return server.Writer.StartTLS(ctx, serverConfig) }))
		_, err := inner.Await(ctx)
		require.NoError(t, err)
		_, err = client.Writer.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, client.Writer.Close())
		got, err := server.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.Len(t, got, 1<<20)
		require.NoError(t, server.Writer.Close())
		return client.Writer.WaitClosed(ctx)
	})
}

// An end without a close alert may be the work of an attacker who cut the connection.
func TestATLSReaderDoesNotTakeACutForTheEnd(t *testing.T) {
	run(t, func(ctx context.Context) error {
		client, server := tlsPair(t, ctx)
		_, err := client.Writer.Write(make([]byte, 100*kib)) // a record is cut in two
		require.NoError(t, err)
		client.Writer.Abort()
		_, err = server.Reader.Read(ctx, -1)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		return nil
	})
}
