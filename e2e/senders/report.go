package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const preamble = `# How long first messages wait

As the simulation in this folder shows it (%smake senders%[1]s): senders and spam engines try to deliver through the real programs, in
virtual time, and try again as their software does. A first message is the first of its sender to its recipient, as people see
it, whatever the envelope sender is. Memory is empty at the start, so the time in which the programs learn is included. Delays
and shares are those of all first messages; what is never accepted is longer than any delay. Where a line says "retry", it is of
senders that try again at all, and "queue" of those that go on for longer than ten minutes.

`

const aboutTheMix = `
## The mix

Schedules, pools and forms of envelope senders are in [senders.go](senders.go), a line for each kind. What the shares rest on: Microsoft
365 stands behind a fifth of all domains, Google behind a seventh; SPF passes for about nine of ten wanted first messages
(here %.1f %%). The other shares are estimates: they are such that postgrey and the classic windows do about what they do to real mail.
Each population has %d days of mail to %d mailboxes; hosts, domains and recipients are drawn so that few write often and many once,
and the first message of a pair is followed by others. A tenth of the servers send by IPv4 and IPv6. One message in
twenty of bots comes from a domain whose SPF record lets it pass; one bot in 25 has a name that looks like a server's. Blocklists
have %.0f %% of the bots, but none is asked here.
`

// report prints what became of the messages, and writes the results.
func (s *simulation) report(populations []*population) error {
	var b strings.Builder
	fmt.Fprintf(&b, preamble, "`")
	s.table(&b)
	for _, line := range s.skipped {
		fmt.Fprintf(&b, "\n%s\n", line)
	}
	fmt.Fprintf(&b, "\nVersions: %s.\n", strings.Join(s.versions, ", "))
	s.bySeed(&b)
	if s.results != "" {
		picture := strings.TrimSuffix(s.results, filepath.Ext(s.results)) + ".svg"
		fmt.Fprintf(&b, "\n## By class of sender\n\n![Delays by class of sender](%s)\n", filepath.Base(picture))
		if err := os.WriteFile(picture, []byte(draw(s.done)), 0o644); err != nil {
			return err
		}
	}
	s.byKind(&b)
	fmt.Fprintf(&b, aboutTheMix, 100*spfPass(populations), days, max(s.messages/perMailbox, 1), 100*spam[0].listed)
	fmt.Print(b.String())
	if s.results == "" {
		return nil
	}
	return os.WriteFile(s.results, []byte(b.String()), 0o644)
}

// table writes the table of all configurations.
func (s *simulation) table(b *strings.Builder) {
	b.WriteString("| configuration | first messages | at once | median | 90 % | 99 % | over 10 minutes | lost | lost, retry | lost, queue | login codes within 10 minutes | later messages at once | spam let in | of bots |\n" +
		"|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, o := range s.done {
		r := o.all
		fmt.Fprintf(b, "| %s | %d | **%s** | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", o.name, r.firsts.all(),
			percent(r.firsts.within(0)), delay(r.firsts.quantile(0.5)), delay(r.firsts.quantile(0.9)), delay(r.firsts.quantile(0.99)),
			percent(r.firsts.after(10*minute)), percent(r.firsts.lostShare()), percent(r.retried.lostShare()), percent(r.queued.lostShare()),
			percent(in(r.classes, codes).within(10*minute)), percent(r.later.within(0)), percent(1-r.spam.lostShare()), percent(1-r.bots.lostShare()))
	}
}

// bySeed writes how much the populations differ.
func (s *simulation) bySeed(b *strings.Builder) {
	b.WriteString("\n| by population | at once | over 10 minutes | lost | spam let in | of bots |\n|---|---:|---:|---:|---:|---:|\n")
	for _, o := range s.done {
		columns := make([][]string, 5)
		for _, r := range o.bySeed {
			for i, share := range []float64{r.firsts.within(0), r.firsts.after(10 * minute), r.firsts.lostShare(), 1 - r.spam.lostShare(), 1 - r.bots.lostShare()} {
				columns[i] = append(columns[i], percent(share))
			}
		}
		fmt.Fprintf(b, "| %s |", o.name)
		for _, c := range columns {
			fmt.Fprintf(b, " %s |", strings.Join(c, ", "))
		}
		b.WriteString("\n")
	}
}

// byKind writes a line for each kind of sender and of spam.
func (s *simulation) byKind(b *strings.Builder) {
	b.WriteString("\n## By kind of sender\n\nOf first messages: accepted at once / after more than 10 minutes / never.\n\n| sender | share |")
	s.kindHead(b)
	for _, k := range mix {
		fmt.Fprintf(b, "| %s | %s |", k.name, percent(float64(in(s.done[0].all.kinds, k.name).all())/float64(s.done[0].all.firsts.all())))
		for _, o := range s.done {
			c := in(o.all.kinds, k.name)
			fmt.Fprintf(b, " %s / %s / %s |", percent(c.within(0)), percent(c.after(10*minute)), percent(c.lostShare()))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## By kind of spam\n\nLet in, of it at once.\n\n| spam | share |")
	s.kindHead(b)
	for _, k := range spam {
		fmt.Fprintf(b, "| %s | %s |", k.name, percent(float64(in(s.done[0].all.kinds, k.name).all())/float64(s.done[0].all.spam.all())))
		for _, o := range s.done {
			c := in(o.all.kinds, k.name)
			fmt.Fprintf(b, " %s, %s |", percent(1-c.lostShare()), percent(c.within(0)))
		}
		b.WriteString("\n")
	}
}

func (s *simulation) kindHead(b *strings.Builder) {
	line := "\n|---|---:|"
	for _, o := range s.done {
		fmt.Fprintf(b, " %s |", o.name)
		line += "---:|"
	}
	b.WriteString(line + "\n")
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
	switch d := time.Duration(seconds) * time.Second; {
	case seconds == lost:
		return "never"
	case seconds == 0:
		return "none"
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
}
