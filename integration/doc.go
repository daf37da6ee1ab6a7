// Package integration tests the library against independent peers: redis-server, nginx, curl,
// openssl, socat, CPython's asyncio, and Go's own net and net/http. The tests have the build tag
// "integration"; make integration runs them.
//
// If a peer is missing, its tests fail where the variable CI is "true", and are skipped elsewhere.
package integration
