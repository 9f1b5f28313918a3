package main

import (
	"context"
	"net"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/web"
	"greyglass/milter/listen"
)

// listenAgain is how often the page's address is tried while it cannot be had.
const listenAgain = 30 * time.Second

// answerWeb starts the web page, if it is configured; else it returns nil. Mail does not
// depend on it: what fails is logged, and tried again until the context ends.
func (d *daemon) answerWeb(ctx context.Context, c config.Web) *web.Server {
	if c.Listen == "" {
		return nil
	}
	server := web.New(web.Config{
		Listen: c.Listen, Names: c.Names, UsersFile: c.UsersFile, Operators: c.Operators, TrustHeader: c.TrustHeader,
		Proxies: c.ProxyPrefixes(), Certificate: c.Certificate, Key: c.Key,
	}, d.log)
	l, err := listenWeb(c)
	if err != nil {
		d.log.Error(eventWebNotListening, "address", c.Listen, "error", err)
	}
	go func() {
		for err != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(listenAgain):
				l, err = listenWeb(c)
			}
		}
		d.log.Info(eventListening, "via", "web", "address", c.Listen, "bound", l.Addr().String())
		if err := server.Serve(l); err != nil {
			d.log.Error(eventWebFailed, "error", err)
		}
	}()
	return server
}

func listenWeb(c config.Web) (net.Listener, error) {
	address, err := listen.ParseAddress(c.Address())
	if err != nil {
		return nil, err
	}
	return listen.Listen(address, listen.SocketOwner{})
}
