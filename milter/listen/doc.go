// Package listen is what the front ends share below their protocols: the
// addresses and sockets on which they listen (those that systemd passes, too),
// the limits on connections, the deadlines of each, and the drain at shutdown.
package listen
