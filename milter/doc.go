// Package milter is the MTA's side of Greyglass: it turns what Sendmail and
// Postfix say over the milter protocol, and what Postfix and Exim say over
// Postfix's policy delegation protocol, into attempts, asks the judge, and turns
// the answers into replies. It has no rule of its own.
//
// The way of one recipient is: [Listen] -> [Gate] (who may connect) -> frame
// (what bytes may reach the protocol library) -> session -> judge.Judge; or,
// by policy, [Listen] -> [Gate] -> request -> [PolicyServer] -> judge.Judge.
package milter
