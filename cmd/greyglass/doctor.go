package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/doctor"
	"greyglass/cmd/greyglass/internal/show"
)

func (p *program) doctorCommand() *cobra.Command {
	var asJSON bool
	subject := doctor.Subject{Machine: doctor.ThisMachine()}
	subject.Machine.Now = machineClock
	cmd := &cobra.Command{
		Use:        "doctor",
		SuggestFor: []string{"diagnose", "health", "check", "test", "selftest", "info", "debug"},
		Short:      "check this machine, and say how to fix what is wrong",
		Long: `Check this machine: the configuration; whether the daemon answers at each of its
sockets; whether a mail server asks it in the right place, can open its sockets, and
goes on without it when it is down; DNS and DNS lists, if rules need them; whether mail
from the backup MXs of rules.allowed_domains is accepted; the whole database; pools of
mail servers that were deferred in vain lately; the disk and the clock. The command
changes and stores nothing. Run it as root, because other users may not see everything.

Each line begins with 'ok', with 'warn' (worth a look), or with 'WRONG', and is followed
by the fix unless all is ok. The exit status is 0 if nothing is WRONG, else 1. With
--json, print one array of objects with check, status (ok, warn, wrong), says, and mend
(the fix).

For the configurations of Postfix and Exim, the command runs postconf, and exim4 or
exim, from $PATH or the sbin folders. For Sendmail it reads /etc/mail/sendmail.cf. If an
instance has its configuration elsewhere, name it by a flag, and run the command once
for each instance.`,
		Example: `  greyglass doctor
  greyglass doctor --json | jq '.[] | select(.status == "wrong")'
  greyglass doctor --postfix-config /etc/postfix-in`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			subject.ConfigFile = p.configFile
			subject.Loaded, subject.LoadError = p.load(cmd)
			subject.Progress = func(line string) { fmt.Fprintf(p.stderr, "doctor: %s\n", line) }
			findings := []doctor.Finding{}
			err := doctor.Examine(cmd.Context(), subject, func(f doctor.Finding) {
				findings = append(findings, f)
				if !asJSON {
					printFinding(p.stdout, f, terminalWidth(p.stdout))
				}
			})
			if err != nil {
				return err
			}
			if asJSON {
				if err := printArray(p.stdout, elements(findings), func(f doctor.Finding) any { return f }); err != nil {
					return err
				}
			}
			summary, wrong := sumUp(findings)
			if !asJSON {
				fmt.Fprintf(p.stdout, "\n%s\n", summary)
			}
			if wrong {
				return errors.New("not all is well: doctor found something wrong")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.StringVar(&subject.PostfixConfig, "postfix-config", "", "`FOLDER` of Postfix's main.cf and master.cf, as for 'postconf -c' (default: Postfix's own)")
	flags.StringVar(&subject.SendmailCF, "sendmail-cf", "", "Sendmail's configuration `FILE` (default /etc/mail/sendmail.cf, if it is there)")
	flags.StringVar(&subject.EximConfig, "exim-config", "", "Exim's configuration `FILE`, as for 'exim -C' (default: Exim's own)")
	for _, flag := range []string{"postfix-config", "sendmail-cf", "exim-config"} {
		completesFiles(cmd, flag)
	}
	return cmd
}

// marks begin the lines of the output without --json.
var marks = map[doctor.Status]string{doctor.OK: "ok", doctor.Warn: "warn", doctor.Wrong: "WRONG"}

// checkWidth is the length of the longest name of a check.
const checkWidth = len("configuration")

// printFinding prints a finding in the columns of a terminal; zero: any.
func printFinding(w io.Writer, f doctor.Finding, columns int) {
	indent := strings.Repeat(" ", len("WRONG  ")+checkWidth+2)
	line := fmt.Sprintf("%-5s  %-*s  %s", marks[f.Status], checkWidth, f.Check, f.Detail)
	fmt.Fprintln(w, show.Fold(line, columns, indent))
	if f.Fix != "" {
		fmt.Fprintln(w, foldedFix(indent+"fix: "+f.Fix, columns, indent+"     "))
	}
}

// quotedCommand is a command in a fix.
var quotedCommand = regexp.MustCompile(`[ (]'[^']+'`)

// foldedFix folds a fix, but no command in it, which is to be copied.
func foldedFix(line string, columns int, indent string) string {
	if strings.Contains(line, "postconf ") {
		return line
	}
	const joined = "\x00"
	line = quotedCommand.ReplaceAllStringFunc(line, func(command string) string {
		return command[:1] + strings.ReplaceAll(command[1:], " ", joined)
	})
	return strings.ReplaceAll(show.Fold(line, columns, indent), joined, " ")
}

// sumUp returns the last line, and whether anything is wrong.
func sumUp(findings []doctor.Finding) (summary string, wrong bool) {
	n := make(map[doctor.Status]int)
	for _, f := range findings {
		n[f.Status]++
	}
	switch {
	case n[doctor.Wrong] == 1:
		summary = "1 thing is wrong"
	case n[doctor.Wrong] > 1:
		summary = fmt.Sprintf("%d things are wrong", n[doctor.Wrong])
	case n[doctor.Warn] > 0:
		summary = "Nothing is wrong"
	default:
		return "All is well.", false
	}
	if n[doctor.Warn] > 0 {
		summary += ", with " + show.Count(int64(n[doctor.Warn]), "warning")
	}
	return summary + ".", n[doctor.Wrong] > 0
}
