// Package libraries tests real libraries over the loop's net.Conn, against real servers. It is a
// module of its own because of the libraries that it requires. See make integration.
package libraries
