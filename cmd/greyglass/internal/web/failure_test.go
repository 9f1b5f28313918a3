package web

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"greyglass/greylist"
)

// faulty is a database that fails while it has an error. A change is made all the same, as by
// a server whose answer is lost.
type faulty struct {
	Store
	err *atomic.Pointer[error]
}

func (f faulty) fails() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (f faulty) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	d, err := f.Store.Update(ctx, triplets, change)
	return d, errors.Join(err, f.fails())
}

func (f faulty) List(ctx context.Context, filter greylist.Filter) iter.Seq2[greylist.Record, error] {
	if err := f.fails(); err != nil {
		return func(yield func(greylist.Record, error) bool) { yield(greylist.Record{}, err) }
	}
	return f.Store.List(ctx, filter)
}

func (f faulty) History(ctx context.Context, since int64) (greylist.History, error) {
	h, err := f.Store.History(ctx, since)
	return h, errors.Join(err, f.fails())
}

// fail makes the database of a site fail with an error, until that is nil.
func (s *site) fail() (with func(error)) {
	err := new(atomic.Pointer[error])
	d := *s.daemon
	d.Store = faulty{d.Store, err}
	s.server.daemon.Store(&serving{Daemon: &d, overview: newOverview(&d, s.server.logFailure)})
	return func(e error) {
		err.Store(nil)
		if e != nil {
			err.Store(&e)
		}
	}
}

// TestUnknownResult: of a change to which the database does not answer, the page and the log
// say that it is not known whether it was made; its undo can be tried again.
func TestUnknownResult(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.attempt(theClient, ann, bob)
	b := s.login(operator)
	fail := s.fail()

	found := b.search(triplet)
	fail(context.DeadlineExceeded)
	p := b.press(found, "/pass")
	p.says(t, http.StatusGatewayTimeout, "It is not known whether this was changed")
	p.lacks(t, "Nothing was changed")
	if log := s.log.String(); !strings.Contains(log, `command="pass `+triplet+`" result=unknown`) {
		t.Errorf("logged: %s", log)
	}

	fail(nil)
	b.press(b.search(triplet), "/forget")
	s.attempt(theClient, ann, bob)
	done := b.press(b.search(triplet), "/pass")
	fail(errors.New("disk is full"))
	b.press(done, "/undo").says(t, http.StatusConflict, "The log has the cause")
	if log := s.log.String(); !strings.Contains(log, `error="disk is full"`) {
		t.Errorf("logged: %s", log)
	}
	fail(nil)
	b.get(done.path).says(t, http.StatusOK, "Undo")
}

// TestChangeOutlivesBrowser: a change is made, and logged, also if the browser does not wait.
func TestChangeOutlivesBrowser(t *testing.T) {
	t.Parallel()
	closed, closeBrowser := context.WithCancel(t.Context())
	closeBrowser()
	r, err := http.NewRequestWithContext(closed, http.MethodPost, "/pass", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := changing(r)
	defer cancel()
	if _, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded {
		t.Errorf("%v, bounded %v", ctx.Err(), bounded)
	}
}

// TestFailureIsLogged: what a page says to be in the log is there, once; that the counts of the
// overview cannot be made is shown, also the first time.
func TestFailureIsLogged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.login(operator)
	s.fail()(errors.New("disk I/O error"))
	for range 3 {
		b.search("example.net").says(t, http.StatusUnprocessableEntity, "The log has the cause")
	}
	s.server.daemon.Load().overview.count(t.Context())
	b.get("/").says(t, http.StatusOK, "The counts cannot be brought up to date: The database cannot be read now.")
	if n := strings.Count(s.log.String(), `error="disk I/O error"`); n != 1 {
		t.Errorf("logged %d times: %s", n, s.log.String())
	}
}

// TestManySearches: few searches read the database at a time, and others are refused soon.
func TestManySearches(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.login(operator)
	for range maxSearches {
		s.server.searches <- struct{}{}
	}
	time.AfterFunc(50*time.Millisecond, func() { <-s.server.searches })
	b.search(triplet).says(t, http.StatusOK)
	s.server.searches <- struct{}{}
	p := b.search(triplet)
	p.says(t, http.StatusServiceUnavailable, "Others search now.")
	if p.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
}

// TestClientByName: what a client is known by is found by its address, and linked.
func TestClientByName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	known := greylist.Triplet{Client: "name:pool.example", Sender: ann, Recipient: bob}
	if _, err := s.store.Update(t.Context(), []greylist.Triplet{known}, func([]*greylist.Entry) greylist.Decision {
		return greylist.DefaultWindows.Decide(nil, s.now.Unix())
	}); err != nil {
		t.Fatal(err)
	}
	s.daemon.Recent.Note(Decided{At: s.now.Unix(), Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore,
		Client: theClient, Identity: known.Client, Sender: ann, Recipient: bob})
	p := s.login(operator).search(theClient)
	p.says(t, http.StatusOK, "ann@example.net wrote to bob@example.org for the first time", "Client"+known.Client)
	if !strings.Contains(p.html, "/search?q=name%3apool.example%20ann%40example.net") {
		t.Errorf("no link with the name: %s", p.html)
	}
}
