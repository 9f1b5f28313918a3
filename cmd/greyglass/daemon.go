package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/cmd/greyglass/internal/web"
	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/greylist/upkeep"
	"greyglass/milter"
	"greyglass/milter/listen"
	"greyglass/milter/policyd"
	"greyglass/sqlstore"
)

const (
	// Sessions are served for shutdownGrace, and closed by force at shutdownLimit. Mail
	// that comes meanwhile goes unfiltered, so both are short.
	shutdownGrace = 2 * time.Second
	shutdownLimit = 10 * time.Second

	// The pace of expiry: some 4,000 entries a second.
	sweepEvery = 10 * time.Minute
	sweepPause = 50 * time.Millisecond

	// lastRecord bounds how long the daemon waits at its end to record the last counts
	// of the history.
	lastRecord = time.Second
)

// daemon is what serve wires together.
type daemon struct {
	log        *slog.Logger
	handler    *logHandler
	supervisor supervisor
	load       func() (*config.Loaded, error)
	configFile string
}

// serve runs the daemon until the context ends.
func (d *daemon) serve(ctx context.Context, loaded *config.Loaded) (err error) {
	// First, since the signal would end the process.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	for _, warning := range loaded.Warnings {
		d.log.Warn(warning.Detail)
	}
	if os.Geteuid() == 0 {
		d.log.Warn(eventRoot)
	}
	c := loaded.Config
	watcher, err := d.answerHTTP(c.Listen)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, watcher.Close()) }()
	page := d.answerWeb(ctx, c.Web)
	if page != nil {
		defer func() { err = errors.Join(err, page.Close()) }()
	}
	store, err := sqlstore.Open(ctx, c.Store.URL, sqlstore.Options{
		Create: true, Synchronous: c.Store.Synchronous, CacheTriplets: c.Store.Cache,
		PasswordFile: c.Store.PasswordFile, Logger: d.log, Now: machineClock})
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()): // stopped while it waited
		return nil
	case err != nil:
		return &databaseError{err}
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	loaded.Lookup.LogTo(d.log)
	clock := newClock(d.log)
	judge := judge.New(store, loaded.Policy, d.log, clock)
	judge.By = "greyglass-" + version + " at " + hostname()
	var recent *web.Recent // nil: none
	if page != nil && c.Web.Recent > 0 {
		recent = web.NewRecent(c.Web.Recent)
		judge.Watcher = recent.Note
	}
	setMemoryLimit(c.Limits.Memory)
	defer runtime.KeepAlive(make([]byte, ballast))
	milters, policies := listen.NewLimiter("milter", limitsOf(c.Limits), d.log), listen.NewLimiter("policy", limitsOf(c.Limits), d.log)
	limiters := []*listen.Limiter{milters, policies}
	policy := policyd.New(judge, policies, d.log)
	policy.Status = watcher.StatusJSON
	fronts := []*front{
		{via: "milter", addresses: c.Listen.Milter, server: milter.NewServer(judge, milters, d.log), check: milter.CheckHealth},
		{via: "policy", addresses: c.Listen.Policy, server: policy, check: policyd.CheckHealth},
	}
	if err := d.listen(fronts, c.Listen); err != nil {
		return err
	}
	reloader := newReloader(d, loaded, judge, limiters, store)
	reloader.recent = recent
	recorder := upkeep.NewRecorder(store, judge.Counters(), clock, d.log)
	recorder.Lists = map[string]*greylist.Uses{config.KnownSenders: &config.KnownSendersUses}
	sweeper := &upkeep.Expirer{
		Store:   store,
		Windows: func() greylist.Windows { return judge.Policy().Longest() },
		Keep:    func() int64 { return judge.Policy().Outgoing.Keep },
		History: reloader.history,
		MaxRows: reloader.maxRows,
		Log:     d.log,
		Clock:   clock,
		Every:   sweepEvery,
		Pause:   sweepPause,
	}

	work, ctx := errgroup.WithContext(ctx)
	run := func(part func(context.Context)) { work.Go(func() error { part(ctx); return nil }) }
	for _, f := range fronts {
		for _, l := range f.listeners {
			work.Go(func() error { return f.server.Serve(l) })
		}
		run(func(ctx context.Context) { <-ctx.Done(); d.shutDown(f) })
	}
	run(func(ctx context.Context) { reloader.run(ctx, hangup) })
	run(sweeper.Run)
	run(recorder.Run)
	run(func(ctx context.Context) { upkeep.FollowExpected(ctx, store, judge, d.log) })
	run(func(ctx context.Context) {
		upkeep.LogCommands(ctx, store, d.log, func() bool { return judge.Policy().PrivateLog })
	})
	run(func(ctx context.Context) { upkeep.PrepareSearches(ctx, store, d.log) })
	run(func(ctx context.Context) { d.supervisor.watch(ctx, healthChecks(fronts)) })
	run(func(ctx context.Context) {
		<-ctx.Done()
		watcher.Stopping()
		d.supervisor.stopping()
		d.log.Info(eventStopping, "connections", milters.Connections()+policies.Connections())
	})
	watched := &watch.Daemon{
		Judge: judge, Limiters: limiters, Store: store, StoreName: c.Store.Shown(), Rows: new(watch.Rows), MaxRows: reloader.maxRows,
		LogLost: d.handler.w.lost, Files: &reloader.read, Started: time.Now(), Listening: listening(fronts),
		Upkeep:  sweeper,
		Profile: func() string { return reloader.current.Load().Config.Greylist.Profile },
	}
	if c.Listen.HTTP != "" {
		run(func(ctx context.Context) { watched.Rows.Run(ctx, store) })
	}
	run(func(ctx context.Context) { watched.Recent.Run(ctx, watched) })
	watcher.Watch(watched)
	if page != nil {
		shown := &web.Daemon{Store: store, Policy: judge.Policy, Now: clock.Now, State: watched, Recent: recent, ConfigFile: d.configFile,
			DNSFails: func() time.Time { return reloader.current.Load().Lookup.Failing() }}
		run(func(ctx context.Context) { page.Show(ctx, shown) })
	}
	run(judge.CheckMemory)
	run(func(ctx context.Context) { follow(ctx, clock, store) })
	run(returnMemory)
	d.log.Info(eventStarted, "version", version, "store", c.Store.Shown(), "mode", c.Greylist.Mode)
	d.supervisor.ready()
	err = work.Wait()
	last, cancel := context.WithTimeout(context.Background(), lastRecord)
	defer cancel()
	recorder.Flush(last)
	if err != nil {
		return fmt.Errorf("cannot go on listening: %w", err)
	}
	d.log.Info(eventStopped)
	return nil
}

// front is a front end: one of the two protocols.
type front struct {
	via       string
	addresses []string
	listeners []net.Listener
	server    interface {
		Serve(net.Listener) error
		Shutdown(ctx context.Context, grace time.Duration) error
	}
	check func(ctx context.Context, at net.Addr) error // whether the server at an address is alive
}

// listen opens the sockets of all front ends, or none.
func (d *daemon) listen(fronts []*front, c config.Listen) (err error) {
	var opened []net.Listener
	defer func() {
		if err != nil {
			for _, l := range opened {
				_ = l.Close()
			}
		}
	}()
	owner := listen.SocketOwner{Mode: c.Mode(), Group: c.SocketGroup}
	for _, f := range fronts {
		for _, text := range f.addresses {
			address, err := listen.ParseAddress(text)
			if err != nil {
				return err
			}
			l, err := listen.Listen(address, owner)
			if err != nil {
				return err
			}
			opened = append(opened, l)
			f.listeners = append(f.listeners, l)
			d.log.Info(eventListening, "via", f.via, "address", text, "bound", l.Addr().String())
		}
	}
	for _, address := range listen.Unused() {
		d.log.Warn(eventUnusedSocket, "address", address)
	}
	if len(opened) == 0 {
		d.log.Warn(eventNoListeners)
	}
	return nil
}

func (d *daemon) shutDown(f *front) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownLimit)
	defer cancel()
	if err := f.server.Shutdown(ctx, shutdownGrace); err != nil {
		d.log.Warn(eventShutdownTimeout, "via", f.via, "error", err)
	}
}

func limitsOf(c config.Limits) listen.Limits {
	return listen.Limits{
		Connections: c.Connections,
		Negotiation: c.NegotiateTimeout,
		Command:     c.CommandTimeout,
		Idle:        c.IdleTimeout,
		Recipients:  c.Recipients,
		PerAddress:  c.PerAddress,
		Line:        c.LineLength,
		Request:     c.RequestSize,
		Attributes:  c.Attributes,
	}
}

// hostname is the machine's name, as mail servers write it.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
