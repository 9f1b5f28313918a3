// Package mtatest has what the tests of the front ends share: the MTA's end of
// both protocols, and a server with all that it needs, into which tests can look.
package mtatest
