//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"

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
