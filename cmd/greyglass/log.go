package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/decisionlog"
	"greyglass/cmd/greyglass/internal/show"
	"greyglass/greylist"
)

// logReader is the command 'greyglass log'.
type logReader struct {
	selection
	reason string // empty: any
	since  int64  // Unix seconds; zero: from the beginning
	follow bool
	limit  int // zero: all
	print  func(decisionlog.Decision) error

	lines, decisions, shown int // so far
}

// colourOf has the colour of each verdict.
var colourOf = map[string]string{string(greylist.Accept): green, string(greylist.Defer): yellow, string(greylist.Deny): red}

// loggedJSON is a decision as 'log --json' prints it.
type loggedJSON struct {
	decisionlog.Decision
	Unix    int64  `json:"time_unix"`
	Wait    *int64 `json:"wait"`
	Delayed *int64 `json:"delayed"`
}

func (p *program) logCommand() *cobra.Command {
	var r logReader
	var since string
	var inUTC, asJSON bool
	cmd := &cobra.Command{
		Use:        "log [FILE|-]",
		SuggestFor: []string{"tail", "follow", "journal", "watch", "grep", "logs", "events", "history", "decisions"},
		Short:      "show the decisions in the log",
		Long: `Show the newest decisions of the daemon, one line each, from systemd's journal, or from
FILE, which may be compressed by gzip ("-": standard input). With --follow, show new
ones as they come, until interrupted. Attempts of 'greyglass probe' and doctor are
marked (probe).

` + timesHelp,
		Example: `  greyglass log --follow
  greyglass log --domain shop.example --since 2d
  greyglass log --recipient bob@example.org --reason not-seen-before \
    /var/log/mail.log.2.gz`,
		Args: optionalFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if len(args) > 0 {
				file = args[0]
			}
			switch {
			case r.limit < 0:
				return usage(cmd, "--limit is negative")
			case r.follow && isCompressed(file):
				return usage(cmd, "--follow takes no file that is compressed, such as %s", file)
			}
			zone := p.zone(inUTC || asJSON)
			if since != "" {
				var err error
				if r.since, err = parseSince(since, wallClock().Unix(), zone); err != nil {
					return usage(cmd, "%w", err)
				}
			}
			if err := checkReason(r.reason, greylist.Reasons, true); err != nil {
				return usage(cmd, "%w", err)
			}
			if err := r.parse(cmd); err != nil {
				return err
			}
			colour, columns := p.colour(), terminalWidth(p.stdout)
			r.print = func(d decisionlog.Decision) error {
				at, verdict, rest := d.Line(zone)
				line := show.Fold(at+verdict+rest, columns, "    ")
				_, err := fmt.Fprintln(p.stdout, at+colour.paint(colourOf[d.Verdict], verdict)+line[len(at+verdict):])
				return err
			}
			if asJSON {
				r.print = func(d decisionlog.Decision) error {
					return printObject(p.stdout, loggedJSON{d, d.Time.Unix(), orNull(d.Wait), orNull(d.Delayed)})
				}
			}
			return r.run(cmd.Context(), file, cmd.InOrStdin(), p.stderr)
		},
	}
	r.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.reason, "reason", "", "only decisions for this `REASON`, see greyglass(8)")
	flags.StringVar(&since, "since", "", "only decisions since "+sinceHelp)
	flags.BoolVar(&r.follow, "follow", false, "wait for further decisions, and show them")
	flags.IntVar(&r.limit, "limit", 50, "at most `N`, the newest (0: all); with --follow: all")
	flags.BoolVar(&inUTC, "utc", false, "show and take times of UTC, also on a terminal")
	flags.BoolVar(&asJSON, "json", false, "print one object a line, with the keys of the log")
	return cmd
}

// run shows the decisions of a file; of the journal, if the name is empty. Where there are
// none, it says why.
func (r *logReader) run(ctx context.Context, file string, stdin io.Reader, stderr io.Writer) error {
	if file == "" && r.follow {
		if err := journalProblem(journals...); err != nil {
			fmt.Fprintf(stderr, "greyglass: %v\n", err)
		}
	}
	err := r.show(ctx, file, stdin, stderr)
	if r.follow && ctx.Err() != nil {
		return nil // interrupted, as it is meant to end
	}
	if err != nil || r.follow || r.shown > 0 {
		return err
	}
	return r.sayNone(file, stderr)
}

func (r *logReader) show(ctx context.Context, file string, stdin io.Reader, stderr io.Writer) error {
	switch {
	case file == "-":
		return inFile("standard input", r.read(stdin))
	case file == "":
		return r.readOutput(ctx, stderr, r.journal()...)
	case r.follow:
		begin := "0" // after the last line
		if r.since != 0 {
			begin = "+1"
		}
		return r.readOutput(ctx, stderr, "tail", "-n", begin, "-F", "--", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return inFile(file, r.read(f))
}

// inFile names the file that an error is about, if the error does not.
func inFile(name string, err error) error {
	if err == nil || errors.As(err, new(*fs.PathError)) {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// journal is the command that reads the daemon's journal (journalctl(1)). Without --quiet it
// says on standard error if this user may not read all of it.
func (r *logReader) journal() []string {
	command := []string{"journalctl", "--unit", "greyglass", "--output", "cat", "--no-pager"}
	if r.since != 0 {
		command = append(command, "--since", "@"+strconv.FormatInt(r.since, 10))
	}
	switch {
	case r.follow && r.since != 0:
		command = append(command, "--follow", "--no-tail")
	case r.follow:
		command = append(command, "--follow", "--lines", "0")
	}
	return command
}

// readOutput shows the decisions that another program prints.
func (r *logReader) readOutput(ctx context.Context, stderr io.Writer, command ...string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is not installed; name the FILE that has the log", command[0])
	}
	if err != nil {
		return err
	}
	err = r.read(out)
	if err != nil {
		_ = cmd.Process.Kill() // its output is not read to the end
	}
	ended := cmd.Wait()
	switch {
	case err != nil:
		return err
	case ended != nil:
		return fmt.Errorf("%s: %w", command[0], ended)
	}
	return nil
}

// read shows the selected decisions: all at once, or only the newest at the end. Of what is
// damaged it shows those before the damage.
func (r *logReader) read(in io.Reader) error {
	var newest []decisionlog.Decision
	lines := bufio.NewReaderSize(in, maxLogLine)
	if magic, _ := lines.Peek(len(gzipMagic)); string(magic) == gzipMagic {
		z, err := gzip.NewReader(lines)
		if err != nil {
			return err
		}
		lines = bufio.NewReaderSize(z, maxLogLine)
	}
	var damage error
	for {
		line, err := readLine(lines)
		if err != nil && err != io.EOF {
			damage = err // and the line may be cut off
			break
		}
		if line == "" {
			break
		}
		r.lines++
		d, ok := decisionlog.Parse(line)
		if ok {
			r.decisions++
		}
		if ok && r.selects(d) {
			r.shown++
			switch {
			case r.follow || r.limit == 0:
				if err := r.print(d); err != nil {
					return err
				}
			default:
				if len(newest) == r.limit {
					newest = newest[1:]
				}
				newest = append(newest, d)
			}
		}
	}
	for _, d := range newest {
		if err := r.print(d); err != nil {
			return err
		}
	}
	return damage
}

// gzipMagic is how a file that is compressed by gzip begins (RFC 1952, section 2.3.1).
const gzipMagic = "\x1f\x8b"

// isCompressed reports whether a regular file is compressed by gzip.
func isCompressed(file string) bool {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, len(gzipMagic))
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == gzipMagic
}

// maxLogLine is more than any decision has, in octets.
const maxLogLine = 64 << 10

// readLine returns the next line; of one that is longer than any decision, the beginning.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	text := string(line)
	for err == bufio.ErrBufferFull {
		_, err = r.ReadSlice('\n')
	}
	return text, err
}

func (r *logReader) selects(d decisionlog.Decision) bool {
	return (r.reason == "" || r.reason == d.Reason) && d.Time.Unix() >= r.since &&
		r.matches(greylist.Triplet{Client: d.Client, Sender: d.Sender, Recipient: d.Recipient})
}
