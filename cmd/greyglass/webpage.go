package main

import (
	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/web"
	"greyglass/milter/listen"
)

// answerWeb starts the web page, if it is configured; else it returns nil.
func (d *daemon) answerWeb(c config.Web) (*web.Server, error) {
	if c.Listen == "" {
		return nil, nil
	}
	server, err := web.New(web.Config{
		Listen: c.Listen, Names: c.Names, UsersFile: c.UsersFile, Operators: c.Operators, TrustHeader: c.TrustHeader,
		Proxies: c.ProxyPrefixes(), Certificate: c.Certificate, Key: c.Key,
	}, d.log)
	if err != nil {
		return nil, err
	}
	address, err := listen.ParseAddress(c.Address())
	if err != nil {
		return nil, err
	}
	l, err := listen.Listen(address, listen.SocketOwner{})
	if err != nil {
		return nil, err
	}
	d.log.Info(eventListening, "via", "web", "address", c.Listen, "bound", l.Addr().String())
	go func() {
		if err := server.Serve(l); err != nil {
			d.log.Error(eventWebFailed, "error", err)
		}
	}()
	return server, nil
}
