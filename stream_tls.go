package asyncio

import (
	"context"
	"crypto/tls"
	"errors"
	"time"
)

func (s *stream) startTLS(ctx context.Context, config *tls.Config, serverSide bool, timeout time.Duration) error {
	return errors.ErrUnsupported
}
