// Package milter is the milter protocol, by which Sendmail and Postfix ask: it
// turns frames into attempts, asks the judge, and turns its answers into replies.
// It has no rule of its own. The policy protocol, by which Postfix and Exim ask,
// is in package policyd; what both share below the protocol is in package listen,
// and what both do at DATA in package deferred.
//
// The path of one recipient is: [listen.Limiter] -> frames (which bytes may reach
// the protocol library) -> session -> judge.Judge.
package milter
