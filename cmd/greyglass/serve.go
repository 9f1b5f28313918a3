package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/milter"
	"greyglass/sqlstore"
)

const (
	// Sessions have until shutdownGrace to say more, and are closed by force at
	// shutdownLimit. Mail that comes in between goes unfiltered, so both are short.
	shutdownGrace = 2 * time.Second
	shutdownLimit = 10 * time.Second

	// How the background expiry is paced: some 4,000 entries a second.
	sweepEvery = 10 * time.Minute
	sweepPause = 50 * time.Millisecond

	// What the daemon creates (the database and its side files) is for its user
	// and group.
	daemonUmask = 0o027
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "run the daemon in the foreground",
		Long: `Run the daemon in the foreground, logging to standard error, until it is told to end
(SIGTERM or SIGINT): it then answers what it has been asked, and exits with status 0.

SIGHUP makes it read the configuration anew, but for [listen] and store.url, which need
a restart. The lists of blocked senders and of exceptions are read anew by
themselves, within two seconds of an edit. What cannot be read is logged, and the
last good state is kept.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := p.load(cmd)
			if err != nil {
				return err
			}
			syscall.Umask(daemonUmask)
			log, handler := newLog(p.stderr, loaded.Config.Log)
			d := &daemon{log: log, handler: handler, load: func() (*config.Loaded, error) { return p.load(cmd) }}
			return d.serve(cmd.Context(), loaded)
		},
	}
}

// daemon is what serve wires together.
type daemon struct {
	log     *slog.Logger
	handler *logHandler
	load    func() (*config.Loaded, error)
}

// serve runs the daemon until the context ends.
func (d *daemon) serve(ctx context.Context, loaded *config.Loaded) (err error) {
	for _, warning := range loaded.Warnings {
		d.log.Warn(warning)
	}
	if os.Geteuid() == 0 {
		d.log.Warn("running as root, which is not needed; run it as a user of its own")
	}
	c := loaded.Config
	store, err := sqlstore.Open(ctx, c.Store.URL, sqlstore.Options{Create: true, Logger: d.log})
	if err != nil {
		return &databaseError{err}
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	judge := greylist.NewJudge(store, loaded.Policy, d.log, time.Now)
	server := milter.NewServer(judge, milterLimits(c.Limits), d.log)
	listeners, err := d.listen(c.Listen)
	if err != nil {
		return err
	}

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	reloader := newReloader(d, loaded, judge, server)
	sweeper := &greylist.Sweeper{
		Store:   store,
		Windows: func() greylist.Windows { return judge.Policy().Windows },
		Log:     d.log,
		Now:     time.Now,
		Every:   sweepEvery,
		Pause:   sweepPause,
	}

	work, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		work.Go(func() error { return server.Serve(l) })
	}
	work.Go(func() error { reloader.run(ctx, hangup); return nil })
	work.Go(func() error { sweeper.Run(ctx); return nil })
	work.Go(func() error {
		<-ctx.Done()
		d.log.Info("stopping", "connections", server.Connections())
		limit, cancel := context.WithTimeout(context.Background(), shutdownLimit)
		defer cancel()
		if err := server.Shutdown(limit, shutdownGrace); err != nil {
			d.log.Warn("connections closed by force", "error", err)
		}
		return nil
	})
	d.log.Info("started", "version", version, "store", c.Store.URL, "mode", c.Greylist.Mode)
	if err := work.Wait(); err != nil {
		return fmt.Errorf("cannot go on listening: %w", err)
	}
	d.log.Info("stopped")
	return nil
}

// listen opens all sockets, or none.
func (d *daemon) listen(c config.Listen) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
		}
	}()
	for _, text := range c.Milter {
		address, err := milter.ParseAddress(text)
		if err != nil {
			return listeners, err
		}
		l, err := milter.Listen(address, milter.SocketOwner{Mode: c.Mode(), Group: c.SocketGroup})
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, l)
		d.log.Info("listening", "via", "milter", "address", text, "bound", l.Addr().String())
	}
	return listeners, nil
}

func milterLimits(c config.Limits) milter.Limits {
	return milter.Limits{
		Connections: c.Connections,
		Negotiation: c.NegotiateTimeout,
		Command:     c.CommandTimeout,
		Idle:        c.IdleTimeout,
		Recipients:  c.Recipients,
	}
}
