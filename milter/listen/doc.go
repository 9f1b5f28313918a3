// Package listen has the addresses and sockets of both front ends (also those that
// systemd passes), the limits on connections, their deadlines, and the drain at
// shutdown.
package listen
