package web

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"regexp"
	"strings"
	"sync"
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

func (f faulty) Forget(ctx context.Context, t greylist.Triplet) (bool, error) {
	known, err := f.Store.Forget(ctx, t)
	return known, errors.Join(err, f.fails())
}

func (f faulty) Expect(ctx context.Context, e greylist.Expectation) error {
	return errors.Join(f.Store.Expect(ctx, e), f.fails())
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

	found := b.Search(triplet)
	fail(context.DeadlineExceeded)
	p := b.Press(found, "/pass")
	p.Says(t, http.StatusServiceUnavailable, "It is not known whether this was changed")
	p.Lacks(t, "Nothing was changed")
	if log := s.log.String(); !strings.Contains(log, `command="pass `+triplet+`" result=unknown`) {
		t.Errorf("logged: %s", log)
	}

	fail(nil)
	b.Press(b.Search(triplet), "/forget")
	s.attempt(theClient, ann, bob)
	done := b.Press(b.Search(triplet), "/pass")
	fail(errConnection)
	b.Press(done, "/undo").Says(t, http.StatusServiceUnavailable, "It is not known whether this was changed")
	if log := s.log.String(); !strings.Contains(log, `error="unexpected EOF"`) || !strings.Contains(log, `command="undo pass `+triplet+`" result=unknown`) {
		t.Errorf("logged: %s", log)
	}
	fail(nil) // it was undone
	b.Press(b.Get(done.Path), "/undo").Says(t, http.StatusOK, "Undone: mail from ann@example.net to bob@example.org waits as before.")

	for _, path := range []string{"/pass", "/forget", "/expect"} {
		found := b.Search(triplet)
		fail(errConnection)
		b.Press(found, path, "recipient", bob, "minutes", "30").Says(t, http.StatusServiceUnavailable, "It is not known whether this was changed")
		fail(greylist.ErrClosed)
		b.Press(found, path, "recipient", bob, "minutes", "30").Says(t, http.StatusUnprocessableEntity, "Nothing was changed")
		fail(nil)
		if log := s.log.String(); strings.Count(log, `command="`+path[1:]) != strings.Count(log, `command="`+path[1:]+` `) || !regexp.MustCompile(`command="`+path[1:]+` [^"]*" result=unknown`).MatchString(log) {
			t.Errorf("%s logged: %s", path, log)
		}
	}
}

// errConnection is what a change says whose answer was lost.
var errConnection = io.ErrUnexpectedEOF

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
		b.Search("example.net").Says(t, http.StatusServiceUnavailable, "The log has the cause")
	}
	if s.server.daemon.Load().overview.count(t.Context()) {
		t.Error("it could count")
	}
	b.Get("/").Says(t, http.StatusOK, "Cannot update the counts: The database cannot be read now.")
	if n := strings.Count(s.log.String(), `error="disk I/O error"`); n != 1 {
		t.Errorf("logged %d times: %s", n, s.log.String())
	}
}

// TestManySearches: few searches and actions read the database at a time, and others are
// refused soon; what was refused can be done later.
func TestManySearches(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.attempt(theClient, ann, bob)
	b := s.login(operator)
	for range maxReading {
		s.server.readers <- struct{}{}
	}
	time.AfterFunc(50*time.Millisecond, func() { <-s.server.readers })
	found := b.Search(triplet)
	found.Says(t, http.StatusOK)
	done := b.Press(found, "/pass")
	done.Says(t, http.StatusOK, "Let in")
	s.server.readers <- struct{}{}
	var refused sync.WaitGroup
	for _, asks := range []func() page{
		func() page { return b.Search(triplet) },
		func() page { return b.Press(done, "/forget") },
		func() page { return b.Press(done, "/undo") },
		func() page { return b.Press(done, "/expect") },
	} {
		refused.Go(func() {
			p := asks()
			p.Says(t, http.StatusServiceUnavailable, "Too many searches are running.")
			if p.Header.Get("Retry-After") == "" {
				t.Error("it does not say when to try again")
			}
		})
	}
	refused.Wait()
	<-s.server.readers
	b.Press(done, "/undo").Says(t, http.StatusOK, "Undone")
}

// TestHealthOfDNS: that DNS fails is said.
func TestHealthOfDNS(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.login(operator)
	b.Get("/").Lacks(t, "DNS")
	d := *s.daemon
	d.DNSFails = func() time.Time { return s.now.Add(-time.Hour) }
	s.server.daemon.Store(&serving{Daemon: &d, overview: newOverview(&d, s.server.logFailure)})
	b.Get("/").Says(t, http.StatusOK, "DNS has failed since 09:02; rules that need it do not match")
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
	p := s.login(operator).Search(theClient)
	p.Says(t, http.StatusOK, "ann@example.net wrote to bob@example.org for the first time", "Client"+known.Client)
	if !strings.Contains(p.HTML, "/search?q=name%3apool.example%20ann%40example.net") {
		t.Errorf("no link with the name: %s", p.HTML)
	}
}

// TestLocalMail: a decision about mail without a client's address is shown, and linked by its
// sender and recipient.
func TestLocalMail(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.login(looker)
	for _, client := range []string{"", "unknown", "unix:/run/mail"} {
		s.daemon.Recent.Note(Decided{At: s.now.Unix(), Verdict: greylist.Accept, Reason: greylist.ReasonLocal, Client: client, Sender: ann, Recipient: bob, QueueID: "4XyZ0k1abc"})
		for _, q := range []string{"4XyZ0k1abc", "bob"} {
			p := b.Search(q)
			p.Says(t, http.StatusOK, "No triplet is stored for this.", "from this machine")
			if !strings.Contains(p.HTML, `/search?q=ann%40example.net%20bob%40example.org"`) {
				t.Errorf("client %q: no link: %s", client, p.HTML)
			}
		}
	}
}

// TestExpectIsFilledIn: the form has the sender and the recipient of what was found.
func TestExpectIsFilledIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.login(operator)
	s.attempt(theClient, ann, bob)
	code := greylist.Triplet{Client: theClient, Sender: ann, Recipient: bob}.Code()
	for _, c := range []struct{ q, to, from string }{
		{triplet, bob, ann}, {ann + " " + bob, bob, ann}, {code, bob, ann}, {theClient, bob, ann}, {"4XyZ0k1abc", bob, ann},
		{bob, bob, ""}, {ann, bob, ann}, {"carl@example.org", "carl@example.org", ""},
	} {
		p := b.Search(c.q)
		for name, want := range map[string]string{"recipient": c.to, "sender": c.from} {
			if !strings.Contains(p.HTML, `name="`+name+`" value="`+want+`" maxlength`) {
				t.Errorf("%s: the %s is not %q: %s", c.q, name, want, p.HTML)
			}
		}
	}
	s.attempt(theClient, ann, "carl@example.org")
	if p := b.Search(ann); !strings.Contains(p.HTML, `name="recipient" value="" maxlength`) || !strings.Contains(p.HTML, `name="sender" value="`+ann+`" maxlength`) {
		t.Errorf("of two triplets: %s", p.HTML)
	}
}
