package main

import (
	"context"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/sqlstore"
)

// record stores, before a command changes the database, who runs it, and the words of the
// command. The daemon logs that.
func (p *program) record(ctx context.Context, store greylist.Store, words string) error {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	uid := os.Getuid()
	c := greylist.Command{At: timeOf(store).Unix(), Host: hostname(), UID: int64(uid), Words: words}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		c.User = u.Username
	}
	for _, variable := range p.environ {
		if name, ok := strings.CutPrefix(variable, "SUDO_USER="); ok {
			c.Sudo = name
		}
	}
	return store.RecordCommand(ctx, c)
}

// wordsOf is a command as it may be logged: without --config and --set, which can hold a
// password.
func wordsOf(cmd *cobra.Command, args []string) string {
	words := []string{cmd.Name()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch {
		case f.Name == "config" || f.Name == "set":
		case f.Value.Type() != "bool":
			words = append(words, "--"+f.Name, shellWord(f.Value.String()))
		case f.Name != "yes":
			words = append(words, "--"+f.Name)
		}
	})
	for _, arg := range args {
		words = append(words, shellWord(arg))
	}
	return strings.Join(words, " ")
}

// shellWord is an argument as a shell would need it, without a password, and with what
// cannot be printed, or be stored as text, as an escape.
func shellWord(arg string) string {
	arg = address.Printable(sqlstore.Name(arg))
	if arg != "" && !strings.ContainsAny(arg, " \t\n\"'\\$`*?[]<>|&;(){}!#~") {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
