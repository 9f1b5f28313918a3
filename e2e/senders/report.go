package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const head = `# How long first messages wait

As the simulation in this folder shows it (%[1]smake senders%[1]s): senders and spam engines try to deliver through the real programs, in
virtual time, and try again as their software does. A first message is the first of its sender to its recipient, as people see
it, whatever the envelope sender is. Memory is empty at the start, so the time in which the programs learn is included. Delays
and shares are those of all first messages; what is never accepted is longer than any delay. "Retry" is of senders that try
again at all, "queue" of those that go on for more than ten minutes. Each population is drawn by a seed, and all try each program.

| program | seed | first messages | at once | median | 90 %% | 99 %% | over 10 minutes | lost | lost, retry | lost, queue | login codes within 10 minutes | later messages at once | spam let in | of bots |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
`

const foot = `
## The mix

Schedules, pools and forms of envelope senders are in [senders.go](senders.go), a line for each kind. What the shares rest on: Microsoft
365 stands behind a fifth of all domains, Google behind a seventh; SPF passes for about nine of ten wanted first messages
(here %[2]s). The other shares are estimates: such that postgrey and the classic windows do about what they do to real mail.
Each population has %[3]d days of mail to %[4]d mailboxes, and as much spam. Hosts, domains and recipients are drawn so that few write often
and many once; the first message of a pair is followed by others. A tenth of the servers send by IPv4 and IPv6; the busiest tenth
of hosters' hosts have proper names. Most bots have no name or that of a line, and forge their sender; a blocklist has %[5]s of them, but
none is asked here. %[1]smake senders SENDERSFLAGS="-only FILE.toml"%[1]s tries a configuration of your own.
`

// row writes a line of the table.
func row(b *strings.Builder, program, seed string, r result) {
	f := r[firsts]
	fmt.Fprintf(b, "| %s | %s | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", program, seed, len(f),
		percent(f.within(0)), delay(f.quantile(0.5)), delay(f.quantile(0.9)), delay(f.quantile(0.99)),
		percent(f.after(10*minute)), percent(f.lost()), percent(r[retried].lost()), percent(r[queued].lost()),
		percent(r[string(codes)].within(10*minute)), percent(r[laters].within(0)), percent(r[unasked].accepted()), percent(r[botnet].accepted()))
}

// report prints what became of the messages, and writes the results.
func (s *simulation) report(populations []*population) error {
	var b strings.Builder
	fmt.Fprintf(&b, head, "`")
	for _, o := range s.done {
		for i, r := range o.bySeed {
			row(&b, o.name, fmt.Sprint(populations[i].seed), r)
		}
		row(&b, "**"+o.name+"**", "all", o.all)
	}
	fmt.Fprintf(&b, "\nVersions: %s. %s\n", strings.Join(s.versions, ", "), strings.Join(s.skipped, " "))
	if s.results != "" {
		picture := strings.TrimSuffix(s.results, filepath.Ext(s.results)) + ".svg"
		fmt.Fprintf(&b, "\n![Delays by class of sender](%s)\n", filepath.Base(picture))
		if err := os.WriteFile(picture, []byte(draw(s.done)), 0o644); err != nil {
			return err
		}
	}
	s.byKind(&b, "## By kind of sender\n\nOf first messages: accepted at once / after more than 10 minutes / never.", mix, firsts)
	s.byKind(&b, "## By kind of spam\n\nAccepted at once / after more than 10 minutes / never.", spam, unasked)
	fmt.Fprintf(&b, foot, "`", percent(spfPass(populations)), days, max(s.messages/perMailbox, 1), percent(spam[0].listed))
	fmt.Print(b.String())
	if s.results == "" {
		return nil
	}
	return os.WriteFile(s.results, []byte(b.String()), 0o644)
}

// byKind writes a table with a line for each kind.
func (s *simulation) byKind(b *strings.Builder, title string, kinds []sender, of string) {
	fmt.Fprintf(b, "\n%s\n\n| kind | share |", title)
	line := "\n|---|---:|"
	for _, o := range s.done {
		fmt.Fprintf(b, " %s |", o.name)
		line += "---:|"
	}
	b.WriteString(line + "\n")
	for _, k := range kinds {
		for i, o := range s.done {
			d := o.all[k.name]
			if i == 0 {
				fmt.Fprintf(b, "| %s | %s |", k.name, percent(float64(len(d))/float64(len(o.all[of]))))
			}
			fmt.Fprintf(b, " %s / %s / %s |", percent(d.within(0)), percent(d.after(10*minute)), percent(d.lost()))
		}
		b.WriteString("\n")
	}
}

// spfPass is the share of first messages for which SPF passes.
func spfPass(populations []*population) float64 {
	all, pass := 0, 0
	for _, p := range populations {
		for _, m := range p.messages {
			if m.first && m.kind.class != "" {
				all++
				if m.spf == "pass" {
					pass++
				}
			}
		}
	}
	return float64(pass) / float64(max(all, 1))
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

func delay(seconds int64) string {
	switch {
	case seconds == lost:
		return "never"
	case seconds == 0:
		return "none"
	}
	return (time.Duration(seconds) * time.Second).Round(time.Minute).String()
}
