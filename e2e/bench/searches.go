package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"greyglass/e2e/lab"
)

// searchesASecond is how often the page is searched in the block searches.
const searchesASecond = 5

// startSearched starts the daemon with its web page, on a copy of the database whose searches
// are prepared.
func startSearched(b *bench, database string, as shape) (*server, error) {
	file := filepath.Join(b.dir, "searched.db")
	if err := errors.Join(lab.CopyFile(database, file), prepareSearches(file)); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	s, err := startDaemon(b, "searched", "sqlite:"+file, 0, as, "GREYGLASS_WEB__LISTEN="+at,
		"GREYGLASS_WEB__TRUST_HEADER=X-Remote-User", `GREYGLASS_WEB__PROXIES=["127.0.0.1"]`)
	if err == nil {
		s.pageAt = at
	}
	return s, err
}

// beginSearches searches the page, if it is to be, until the returned function is called.
func (s *server) beginSearches() (end func() error) {
	if s.pageAt == "" {
		return func() error { return nil }
	}
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(time.Second / searchesASecond)
		defer tick.Stop()
		for n := uint64(0); ; n++ {
			select {
			case <-stop:
				ended <- nil
				return
			case <-tick.C:
			}
			query := tripletOf(n).recipient
			if n%2 == 1 {
				query = fmt.Sprintf("unknown%d@nowhere.example", n)
			}
			if err := s.search(query); err != nil {
				ended <- err
				<-stop
				return
			}
		}
	}()
	return func() error { close(stop); return <-ended }
}

// search searches the page.
func (s *server) search(query string) error {
	r, err := http.NewRequest(http.MethodGet, "http://"+s.pageAt+"/search?"+url.Values{"q": {query}}.Encode(), nil)
	if err != nil {
		return err
	}
	r.Header.Set("X-Remote-User", "bench")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("the page answers %s to the search for %s", answer.Status, query))
	}
	return errors.Join(err, answer.Body.Close())
}
