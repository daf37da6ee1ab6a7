// Package integration tests the library against peers that others have written:
// redis-server, nginx, curl, openssl, socat, CPython's asyncio, and Go's own net and
// net/http. The tests have the build tag "integration"; make integration runs them.
//
// A peer that is missing makes a test fail where the variable CI is "true", and skip
// elsewhere.
package integration
