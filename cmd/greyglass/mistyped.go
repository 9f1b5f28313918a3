package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"greyglass/cmd/greyglass/internal/config"
)

// notCommands says how what is no command is done.
var notCommands = map[string]string{
	"reload":    "'systemctl reload greyglass' reloads the configuration; lists reload by themselves",
	"restart":   "'systemctl restart greyglass' restarts the daemon",
	"stop":      "'systemctl stop greyglass' ends the daemon",
	"start":     "'systemctl start greyglass' starts the daemon, and 'greyglass serve' is the daemon in the foreground",
	"block":     howToBlock,
	"ban":       howToBlock,
	"deny":      howToBlock,
	"reject":    howToBlock,
	"blacklist": howToBlock,
	"blocklist": howToBlock,
	"edit":      "the configuration is the file that 'greyglass config' names, and its lists are files too",
	"set":       "the configuration is the file that 'greyglass config' names, and --set overrides a value of it",
}

const howToBlock = "write the sender into the file that blocked.senders_file names; 'greyglass config' shows it"

func noSuchCommand(root *cobra.Command, name string) error {
	err := fmt.Errorf("there is no command %q", name)
	word := strings.ToLower(strings.TrimLeft(name, "-"))
	if how := notCommands[word]; how != "" {
		err = fmt.Errorf("%w; %s", err, how)
	} else if near := commandsFor(root, word); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, either(near))
	}
	return &usageError{err, "greyglass"}
}

// commandsFor are the commands that a word suggests; if there are none, those with a similar
// name.
func commandsFor(root *cobra.Command, word string) (names []string) {
	for _, c := range root.Commands() {
		if slices.Contains(c.SuggestFor, word) {
			names = append(names, c.Name())
		}
	}
	if names == nil {
		names = root.SuggestionsFor(word)
	}
	return names
}

// either joins choices: "expect, expire or explain".
func either(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}

// meant are flags, by names that other programs have for them.
var meant = map[string][]string{
	"sender":    {"from", "mail-from", "envelope-from"},
	"recipient": {"to", "rcpt", "rcpt-to", "user", "address"},
	"client":    {"ip", "addr", "host", "network", "source", "net"},
	"domain":    {"dom", "zone"},
	"since":     {"after", "begin", "start", "from"},
	"from":      {"sender", "since"},
	"limit":     {"lines", "max", "count", "number", "n", "tail", "head"},
	"follow":    {"f", "tail", "watch"},
	"yes":       {"y", "force", "f", "no-confirm", "assume-yes"},
	"for":       {"duration", "ttl", "time", "lasts", "until"},
	"config":    {"c", "conf", "file", "configuration"},
	"helo":      {"ehlo"},
	"json":      {"j", "output", "format"},
	"dry-run":   {"n", "test", "check", "simulate"},
	"utc":       {"gmt"},
	"help":      {"?", "usage"},
	"version":   {"V"},
	"waiting":   {"deferred", "greylisted", "grey"},
	"passed":    {"accepted", "white", "whitelisted"},
	"reason":    {"why", "cause"},
	"brief":     {"short", "summary"},
}

// flagProblem rewords the errors of pflag.
func flagProblem(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		if near, ok := flagFor(cmd, unknown.GetSpecifiedName()); ok {
			return fmt.Errorf("%w; did you mean --%s?", err, near)
		}
		return err
	case !errors.As(err, &invalid):
		return err
	}
	if invalid.GetFlag().Value.Type() == "stringSlice" {
		return fmt.Errorf("%w; write names of lists, separated by commas", err) // --dnsbl
	}
	wanted, ok := map[string]string{"int": "a whole number", "bool": "true or false"}[invalid.GetFlag().Value.Type()]
	if !ok {
		return err
	}
	return fmt.Errorf("--%s takes %s, and %q is none", invalid.GetFlag().Name, wanted, invalid.GetValue())
}

// flagFor is the flag of a command that a name suggests.
func flagFor(cmd *cobra.Command, name string) (flag string, ok bool) {
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		known = append(known, f.Name)
		if slices.Contains(meant[f.Name], name) && !ok {
			flag, ok = f.Name, true
		}
	})
	if ok {
		return flag, true
	}
	return config.Nearest(name, known)
}
