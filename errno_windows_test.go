package asyncio_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/windows"

	"github.com/go-asyncio/asyncio"
)

func TestAnErrorOfWindowsIsAlsoOneOfPackageSyscall(t *testing.T) {
	err := asyncio.PortableError(os.NewSyscallError("wsarecv", windows.WSAETIMEDOUT))
	for _, is := range []error{syscall.ETIMEDOUT, windows.WSAETIMEDOUT} {
		assert.ErrorIs(t, err, is)
	}
	assert.NotErrorIs(t, err, syscall.ECONNRESET)
	number, ok := errors.AsType[syscall.Errno](err)
	assert.True(t, ok)
	assert.Equal(t, windows.WSAETIMEDOUT, number)
	assert.EqualError(t, err, os.NewSyscallError("wsarecv", windows.WSAETIMEDOUT).Error())

	for _, err := range []error{nil, windows.WSAEINVAL, os.ErrClosed, os.NewSyscallError("wsarecv", windows.WSAEINVAL)} {
		assert.Equal(t, err, asyncio.PortableError(err))
	}
}
