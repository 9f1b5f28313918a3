// Greyglass is a greylisting daemon for Sendmail, Postfix and Exim, and the
// commands that show and change what it stores.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run runs a command line and returns its exit status. The command ends when the
// context does.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	p := &program{environ: environ, stdout: out, stderr: stderr}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(input{ctx, os.Stdin})
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.failed
	}
	return p.report(err)
}

// output is standard output. It keeps the first error, such as that of a full disk, so that no
// command needs to look at it.
type output struct {
	io.Writer
	failed error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if o.failed == nil {
		o.failed = err
	}
	return n, err
}
