//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-asyncio/asyncio"
)

func TestOpenSSLTalksToAServer(t *testing.T) {
	openssl, certs := need(t, "openssl"), newCertificates(t)
	run(t, func(ctx context.Context) error {
		s, err := asyncio.StartServer(ctx, echo, "127.0.0.1:0", asyncio.WithTLS(certs.server))
		require.NoError(t, err)
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			p, err := asyncio.CreateSubprocessExec(ctx, openssl, []string{"s_client", "-connect", s.Addr().String(), version,
				"-CAfile", certs.certFile, "-verify_return_error", "-quiet", "-no_ign_eof"},
				asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
			require.NoError(t, err)
			_, err = p.Stdin.WriteString("over openssl\n")
			require.NoError(t, err)
			line, err := p.Stdout.ReadLine(ctx)
			require.NoError(t, err)
			require.Equal(t, "over openssl\n", string(line))
			require.NoError(t, p.Stdin.Close())
			_, stderr, err := p.Communicate(ctx, nil)
			require.NoError(t, err)
			require.Contains(t, string(stderr), "verify return:1")
		}
		s.Close()
		return s.WaitClosed(ctx)
	})
}

func TestOpenSSLServesAClient(t *testing.T) {
	openssl, certs := need(t, "openssl"), newCertificates(t)
	addr, port := freeAddr(t)
	start(t, openssl, "s_server", "-accept", port, "-cert", certs.certFile, "-key", certs.keyFile, "-www").ready(t, "tcp", addr)
	run(t, func(ctx context.Context) error {
		_, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		r, w, err := asyncio.OpenConnection(ctx, "localhost:"+port, asyncio.WithTLS(&tls.Config{RootCAs: certs.client.RootCAs}),
			asyncio.WithNetwork("tcp4"))
		require.NoError(t, err)
		_, err = w.WriteString("GET / HTTP/1.0\r\n\r\n")
		require.NoError(t, err)
		page, err := r.Read(ctx, -1)
		require.NoError(t, err)
		require.Contains(t, string(page), "HTTP/1.0 200 ok")
		require.NoError(t, w.Close())

		_, _, err = asyncio.OpenConnection(ctx, addr, asyncio.WithTLS(&tls.Config{}))
		_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
		require.True(t, unknown, "got %v", err)
		_, _, err = asyncio.OpenConnection(ctx, addr, asyncio.WithTLS(&tls.Config{RootCAs: certs.client.RootCAs, ServerName: "other.test"}))
		_, wrongName := errors.AsType[x509.HostnameError](err)
		require.True(t, wrongName, "got %v", err)
		return nil
	})
}

// The server asks for things that crypto/tls handles within a read: another handshake, new keys.
func TestOpenSSLAsksAClientForAnotherHandshakeAndNewKeys(t *testing.T) {
	openssl, certs := need(t, "openssl"), newCertificates(t)
	for name, test := range map[string]struct {
		version, command string
		refused          bool
	}{
		"renegotiation":              {"-tls1_2", "R\n", true},
		"a key update":               {"-tls1_3", "k\n", false},
		"a key update on both sides": {"-tls1_3", "K\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				addr, port := freeAddr(t)
				p, err := asyncio.CreateSubprocessExec(ctx, openssl, []string{"s_server", "-accept", port, test.version, "-cert", certs.certFile, "-key", certs.keyFile},
					asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.DevNull))
				require.NoError(t, err)
				defer p.Kill()
				for line := ""; line != "ACCEPT\n"; {
					p, err := p.Stdout.ReadLine(ctx)
					require.NoError(t, err)
					line = string(p)
				}
				r, w, err := asyncio.OpenConnection(ctx, addr, asyncio.WithTLS(certs.client))
				require.NoError(t, err)
				for _, piece := range []string{"before\n", test.command, "after\n"} {
					_, err = p.Stdin.WriteString(piece)
					require.NoError(t, err)
					// s_server takes the bytes of one read as a command or else as text.
					require.NoError(t, asyncio.Sleep(ctx, 100*time.Millisecond))
					_, err := w.WriteString("and back\n")
					if !test.refused {
						require.NoError(t, err)
					}
				}
				for line := ""; line != "after\n"; {
					p, err := r.ReadLine(ctx)
					if test.refused && err != nil {
						require.ErrorContains(t, err, "no renegotiation")
						return w.Close()
					}
					require.NoError(t, err)
					line = string(p)
				}
				require.False(t, test.refused)
				return w.Close()
			})
		})
	}
}
