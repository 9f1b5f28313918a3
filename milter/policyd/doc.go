// Package policyd serves Postfix's policy delegation protocol, which Exim can speak,
// too: it turns requests into attempts, asks the judge, and turns its answers into
// actions. It has no rule of its own.
//
// The path of one recipient is: [listen.Limiter] -> request -> [Server] -> judge.Judge.
package policyd
