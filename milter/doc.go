// Package milter serves the milter protocol of Sendmail and Postfix: it turns frames
// into attempts, asks the judge, and turns its answers into replies. It has no rule of
// its own. The policy protocol of Postfix and Exim is in package policyd; the listeners
// of both are in package listen, and recipients deferred to DATA in package deferred.
//
// The path of one recipient is: [listen.Limiter] -> frames (checks what reaches the
// protocol library) -> session -> judge.Judge.
package milter
