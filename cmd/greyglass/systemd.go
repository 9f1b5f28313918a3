package main

import (
	"context"
	"log/slog"
	"net"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// supervisor sends the daemon's state to systemd by sd_notify(3), if it runs there.
type supervisor struct {
	log *slog.Logger
}

func (s supervisor) tell(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		s.log.Warn(eventNotifyFailed, "error", err)
	}
}

func (s supervisor) ready()     { s.tell(sd.SdNotifyReady) }
func (s supervisor) reloading() { s.tell(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec()) }
func (s supervisor) stopping()  { s.tell(sd.SdNotifyStopping) }

// healthCheck asks whether the server at an address is alive.
type healthCheck struct {
	at    net.Addr
	check func(ctx context.Context, at net.Addr) error
}

func healthChecks(fronts []*front) (all []healthCheck) {
	for _, f := range fronts {
		for _, l := range f.listeners {
			all = append(all, healthCheck{l.Addr(), f.check})
		}
	}
	return all
}

// watch feeds systemd's watchdog, if the unit has WatchdogSec=, as long as every socket
// of the daemon answers. Otherwise the watchdog restarts the daemon.
func (s supervisor) watch(ctx context.Context, checks []healthCheck) {
	within, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn(eventNoWatchdog, "error", err)
	}
	if within == 0 {
		return
	}
	// A round and the pause take half of the time, as sd_watchdog_enabled(3) recommends.
	pause := time.NewTicker(within / 4)
	defer pause.Stop()
	for {
		s.feed(ctx, checks, within/4)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

func (s supervisor) feed(ctx context.Context, checks []healthCheck, timeout time.Duration) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for _, c := range checks {
		if err := c.check(bounded, c.at); err != nil {
			if ctx.Err() == nil {
				s.log.Error(eventSocketSilent, "address", c.at.String(), "error", err)
			}
			return
		}
	}
	s.tell(sd.SdNotifyWatchdog)
}
