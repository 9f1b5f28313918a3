package main

import (
	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/milter/listen"
)

// answerHTTP starts the HTTP server for metrics and health, if it is configured.
func (d *daemon) answerHTTP(c config.Listen) (*watch.Server, error) {
	web := watch.NewServer(c.HTTP, version, d.log)
	if c.HTTP == "" {
		return web, nil
	}
	address, err := listen.ParseAddress(c.HTTPAddress())
	if err != nil {
		return nil, err
	}
	l, err := listen.Listen(address, listen.SocketOwner{})
	if err != nil {
		return nil, err
	}
	if err := watch.CheckListener(l, c.HTTPPublic); err != nil {
		_ = l.Close()
		return nil, err
	}
	d.log.Info(eventListening, "via", "http", "address", c.HTTP, "bound", l.Addr().String())
	go func() {
		if err := web.Serve(l); err != nil {
			d.log.Error(eventHTTPFailed, "error", err)
		}
	}()
	return web, nil
}

// listening returns the addresses of all front ends.
func listening(fronts []*front) (on []string) {
	for _, f := range fronts {
		for _, l := range f.listeners {
			on = append(on, f.via+" "+l.Addr().String())
		}
	}
	return on
}
