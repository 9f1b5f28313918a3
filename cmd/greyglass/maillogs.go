package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/maillog"
	"greyglass/greylist/address"
)

// oneOrMore checks the arguments of a command that takes one or more of a kind.
func oneOrMore(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage(cmd, "%s is missing", name)
		}
		return nil
	}
}

// mailLogs are log files of mail servers, read as those of the site that the configuration
// describes.
func mailLogs(cmd *cobra.Command, c *config.Config, files []string) *maillog.Logs {
	return &maillog.Logs{Files: files, Stdin: cmd.InOrStdin(), Zone: time.Local, Now: wallClock().Unix(), Site: siteOf(c)}
}

// readSoFar says how much of the logs was read.
func readSoFar(c *maillog.Counts) string {
	lines := humanize.Comma(c.Lines) + " lines"
	if c.Size > 0 && c.Bytes <= c.Size {
		lines += fmt.Sprintf(" (%d %%)", 100*c.Bytes/c.Size)
	}
	return lines
}

// siteOf tells who is of the site. Entries that cannot be parsed have stopped the program
// before.
func siteOf(c *config.Config) maillog.Site {
	var own []netip.Prefix
	for _, prefix := range slices.Concat(c.Rules.AllowedSenders, c.Rules.AllowedSenderNets) {
		if p, err := address.ParsePrefix(prefix); err == nil {
			own = append(own, p)
		}
	}
	site := maillog.Site{Own: func(ip netip.Addr) bool {
		return slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Contains(ip) })
	}}
	var domains address.Patterns
	for _, domain := range slices.Concat(c.Rules.AllowedDomains, c.Learn.LocalDomains) {
		_ = domains.AddDomain(domain)
	}
	if !domains.Empty() {
		site.Inside = func(domain string) bool {
			_, ok := domains.MatchDomain(address.Domain(domain))
			return ok
		}
	}
	return site
}
