package asyncio_test

import (
	"context"
	"io"
	"testing"

	"github.com/go-asyncio/asyncio"
	"github.com/stretchr/testify/require"
)

func TestAPairCarriesLinesBothWays(t *testing.T) {
	_, err := asyncio.Run(context.Background(), asyncio.Do(func(ctx context.Context) error {
		client, server := asyncio.StreamPair(ctx)
		echo := asyncio.CreateTask(ctx, asyncio.Do(func(ctx context.Context) error {
			for line, err := range server.Reader.Lines(ctx) {
				if err != nil {
					return err
				}
				if _, err := server.Writer.Write(line); err != nil {
					return err
				}
			}
			return server.Writer.Close()
		}))
		_, err := client.Writer.WriteString("one\ntwo\nthree")
		require.NoError(t, err)
		require.NoError(t, client.Writer.WriteEOF())
		got, err := client.Reader.Read(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "one\ntwo\nthree", string(got))
		_, err = client.Reader.Read(ctx, 1)
		require.Equal(t, io.EOF, err)
		require.NoError(t, client.Writer.Close())
		require.NoError(t, client.Writer.WaitClosed(ctx))
		_, err = echo.Await(ctx)
		return err
	}), asyncio.WithVirtualTime())
	require.NoError(t, err)
}
