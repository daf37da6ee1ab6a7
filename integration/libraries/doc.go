// Package libraries tests real libraries over the loop's net.Conn, against real servers, in a module of
// its own for the libraries' sake. See make integration.
package libraries
