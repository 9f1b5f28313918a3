package main

import (
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
)

// daemonUmask closes the files that the daemon creates to users outside its group.
const daemonUmask = 0o027

// logFlush bounds how long the daemon waits at its end for the log.
const logFlush = time.Second

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:        "serve",
		SuggestFor: []string{"run", "daemon", "server"},
		Short:      "run the daemon in the foreground",
		Long: `Run the daemon in the foreground, until SIGTERM or SIGINT. It logs to standard error. At
the end it answers the requests that it has received, and exits with status 0.

SIGHUP reloads the configuration, except [listen] and store.url, which need a restart.
Edits of list files take effect by themselves within two seconds. If the daemon cannot
read the configuration or a list, it logs that, and keeps the previous one.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := p.load(cmd)
			if err != nil {
				return err
			}
			syscall.Umask(daemonUmask)
			log, handler := newLog(p.stderr, toJournal(p.stderr, p.environ), loaded.Config.Log)
			// A closed pipe must not end the process; the log counts what it loses.
			signal.Ignore(syscall.SIGPIPE)
			defer func() {
				if !handler.w.flush(logFlush) {
					p.stderr = io.Discard // writing to it would block, too
				}
			}()
			d := &daemon{log: log, handler: handler, supervisor: supervisor{log}, configFile: p.configFile, load: func() (*config.Loaded, error) { return p.load(cmd) }}
			return d.serve(cmd.Context(), loaded)
		},
	}
}
