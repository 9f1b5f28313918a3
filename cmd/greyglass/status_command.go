package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/milter"
	"greyglass/milter/listen"
	"greyglass/milter/policyd"
)

// statusTimeout is how long the daemon may take to tell its status at one address.
const statusTimeout = 3 * time.Second

// statusJSON is what 'status --json' prints.
type statusJSON struct {
	watch.Status
	Problems []string `json:"problems"`
	Exit     int      `json:"exit_status"`
}

func (p *program) statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:        "status",
		SuggestFor: []string{"health", "uptime", "top", "info", "ping", "state", "running"},
		Short:      "show on one screen how the daemon is doing",
		Long: `Ask the running daemon how it is doing, and show that on one screen: since when it runs,
and in which mode; what it answered in the last minutes, and how fast; whether the
database fails, its size, and the changes that wait for it; the lists. The command does
not read the database, so it is fast even if that is large. 'greyglass doctor' checks
more: the mail servers, DNS and the whole database.

It asks at the unix sockets of listen.policy, or at listen.http. If it can reach
neither, it only says whether the daemon answers.

The exit status is 0 if all is well; 1 if the daemon is not running, or this user may
not ask it; 75 if its database fails; 78 if the daemon cannot read the configuration or
a list, and keeps the previous one.`,
		Example: `  greyglass status
  greyglass status --json | jq .recent.deferred
  greyglass status >/dev/null || echo "look after greyglass" | mail postmaster`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			source := p.source(cmd)
			source.NoLists = true // those of the daemon count
			loaded, err := config.Load(source)
			if err != nil {
				return err
			}
			status, asked := askStatus(cmd.Context(), loaded.Config)
			unwell := unwellBy(status, asked)
			if asJSON {
				err = printObject(p.stdout, statusJSON{status, unwell.texts(), unwell.status()})
			} else {
				err = p.printStatus(status, asked, len(unwell) == 0)
			}
			if err != nil || len(unwell) == 0 {
				return err
			}
			return unwell
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// askStatus asks the daemon for its status. The error says why it could not be asked at an
// address where one may be.
func askStatus(ctx context.Context, c *config.Config) (watch.Status, error) {
	var problem error
	for _, text := range c.Listen.Policy {
		to, err := listen.ParseAddress(text)
		if err != nil || to.Network != "unix" {
			continue
		}
		status, err := decodeStatus(ctx, func(ctx context.Context) ([]byte, error) { return policyd.AskStatus(ctx, to) })
		if err == nil {
			if status.Connections["policy"] > 0 {
				status.Connections["policy"]-- // that of this question
			}
			return status, nil
		}
		problem = errors.Join(problem, err)
	}
	if c.Listen.HTTP != "" {
		status, err := decodeStatus(ctx, func(ctx context.Context) ([]byte, error) { return getStatus(ctx, c.Listen.HTTP) })
		if err == nil {
			return status, nil
		}
		problem = errors.Join(problem, err)
	}
	return statusFromOutside(ctx, c), problem
}

func decodeStatus(ctx context.Context, ask func(context.Context) ([]byte, error)) (s watch.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	text, err := ask(ctx)
	if err != nil {
		return s, err
	}
	err = json.Unmarshal(text, &s)
	return s, err
}

// getStatus asks at listen.http.
func getStatus(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil, err
	}
	direct := http.Client{Transport: new(http.Transport)} // by no proxy
	answer, err := direct.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("http://%s/status: %s", address, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, 1<<20))
}

// statusFromOutside is what can be known of a daemon without asking it about itself.
func statusFromOutside(ctx context.Context, c *config.Config) watch.Status {
	status := watch.Status{State: watch.NotRunning, Mode: c.Greylist.Mode, Profile: c.Greylist.Profile,
		Listening: []string{}, Lists: []watch.FileStatus{}, Database: watch.Database{Store: c.Store.Shown(), MaxRows: c.Store.MaxRows}}
	if file, ok := c.Store.SQLite(); ok {
		if info, err := os.Stat(file); err == nil {
			size := info.Size()
			status.Database.Bytes = &size
		}
		if info, err := os.Stat(file + "-wal"); err == nil {
			size := info.Size()
			status.Database.LogBytes = &size
		}
	}
	check := func(via string, addresses []string, answers func(context.Context, net.Addr) error) {
		for _, text := range addresses {
			to, err := listen.ParseAddress(text)
			if err != nil || to.Network == "systemd" {
				continue
			}
			ctx, cancel := context.WithTimeout(ctx, statusTimeout)
			if answers(ctx, socketAddr{to}) == nil {
				status.State = watch.Answers
				status.Listening = append(status.Listening, via+" "+to.Addr)
			}
			cancel()
		}
	}
	check("milter", c.Listen.Milter, milter.CheckHealth)
	check("policy", c.Listen.Policy, policyd.CheckHealth)
	return status
}

// socketAddr is a configured address as a net.Addr.
type socketAddr struct{ listen.Address }

func (a socketAddr) Network() string { return a.Address.Network }
func (a socketAddr) String() string  { return a.Address.Addr }

// mayNotOpen reports whether this user may not open a socket.
func mayNotOpen(err error) bool { return errors.Is(err, fs.ErrPermission) }
