//go:build !plan9

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"time"

	"github.com/go-asyncio/asyncio"
)

// servers is the state of the servers.
type servers struct {
	certs   *certificates
	addrs   addresses
	members map[*asyncio.StreamWriter]bool // of the chat
}

func (s *servers) start(ctx context.Context) error {
	for _, server := range []struct {
		addr    *string
		handler asyncio.ConnectionHandler
		opts    []asyncio.ServeOption
	}{
		{&s.addrs.echo, echo, nil},
		{&s.addrs.secret, echo, []asyncio.ServeOption{asyncio.WithTLS(s.certs.server)}},
		{&s.addrs.upgrade, s.upgrade, nil},
		{&s.addrs.chat, s.chat, nil},
	} {
		started, err := asyncio.StartServer(ctx, server.handler, "127.0.0.1:0", server.opts...)
		if err != nil {
			return err
		}
		*server.addr = started.Addr().String()
	}
	return nil
}

// echo sends back what it reads.
func echo(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	for {
		p, err := r.Read(ctx, 64<<10)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
}

// upgrade waits for a line, and goes on over TLS.
func (s *servers) upgrade(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	if _, err := r.ReadLine(ctx); err != nil {
		return err
	}
	if _, err := w.WriteString("go ahead\n"); err != nil {
		return err
	}
	if err := w.StartTLS(ctx, s.certs.server); err != nil {
		return err
	}
	return echo(ctx, r, w)
}

// chat sends each line to all members.
func (s *servers) chat(ctx context.Context, r *asyncio.StreamReader, w *asyncio.StreamWriter) error {
	s.members[w] = true
	defer delete(s.members, w)
	for line, err := range r.Lines(ctx) {
		if err != nil {
			return err
		}
		for member := range s.members {
			if member.WriteBufferSize() < 64<<10 { // a member that does not read misses lines
				_, _ = member.Write(line) // a member that has left is removed by its own task
			}
		}
	}
	return nil
}

// certificates holds the configs of both sides.
type certificates struct{ server, client *tls.Config }

func newCertificates() (*certificates, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "soak"}, NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &certificates{
		server: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		client: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"},
	}, nil
}
