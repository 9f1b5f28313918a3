package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"greyglass/cmd/greyglass/internal/action"
	"greyglass/greylist"
)

// changeTimeout is how long an action may wait for the database.
const changeTimeout = 10 * time.Second

// doing is an action: it makes a change that the form asks for. With an error it returns
// the change if the database was asked to make it.
type doing func(ctx context.Context, d *serving, form url.Values) (*change, error)

// action runs an action, logs it, and returns to the page where it was asked for.
func (s *Server) action(do doing) http.HandlerFunc {
	return s.forOperators(func(w http.ResponseWriter, r *http.Request, d *serving, v viewer) {
		ctx, cancel := changing(r)
		defer cancel()
		var done *change
		err := s.reading(ctx, func() (err error) {
			done, err = do(ctx, d, r.PostForm)
			return err
		})
		s.logFailure(err)
		switch {
		case errors.Is(err, errBusy):
			s.failBusy(w, r, v)
			return
		case done != nil && mayHaveChanged(err):
			s.logChange(r, d, v, done, "result", "unknown")
			s.fail(w, r, v, http.StatusServiceUnavailable, notKnown)
			return
		case err != nil:
			s.fail(w, r, v, http.StatusUnprocessableEntity, "Nothing was changed: "+sentence(err))
			return
		}
		done.user = v.Name
		s.logChange(r, d, v, done)
		s.returnTo(w, r, done.back, s.changes.add(done))
	})
}

// notKnown is said of a change to which the database has not answered.
const notKnown = "The database failed, or did not answer in time. It is not known whether this was changed: look it up before you try again."

// changing bounds a change by time. It does not end when the browser no longer waits, so that
// what was changed is logged.
func changing(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), changeTimeout)
}

// undo takes a change back.
func (s *Server) undo(w http.ResponseWriter, r *http.Request, d *serving, v viewer) {
	ctx, cancel := changing(r)
	defer cancel()
	done := s.changes.take(r.PostForm.Get("id"), v)
	if done == nil {
		s.fail(w, r, v, http.StatusGone, "This cannot be undone any more, or was undone already.")
		return
	}
	var did string
	err := s.reading(ctx, func() (err error) {
		did, err = done.undo(ctx)
		return err
	})
	if errors.Is(err, errBusy) {
		s.changes.restore(r.PostForm.Get("id"), done)
		s.failBusy(w, r, v)
		return
	}
	s.logFailure(err)
	back := &change{user: v.Name, did: printable(did), back: done.back, command: "undo " + done.command}
	if ofDatabase(err) != nil {
		s.changes.restore(r.PostForm.Get("id"), done)
	}
	switch {
	case mayHaveChanged(err):
		s.logChange(r, d, v, back, "result", "unknown")
		s.fail(w, r, v, http.StatusServiceUnavailable, notKnown)
		return
	case err != nil:
		s.fail(w, r, v, http.StatusConflict, "Nothing was undone: "+sentence(err))
		return
	}
	s.logChange(r, d, v, back)
	s.returnTo(w, r, back.back, s.changes.add(back))
}

// logChange logs who did what, as a command is logged; see greyglass-log(5).
func (s *Server) logChange(r *http.Request, d *serving, v viewer, done *change, more ...any) {
	command := done.command
	if d.Policy().PrivateLog {
		command, _, _ = strings.Cut(command, " ")
	}
	s.log.Info(eventAdmin, append([]any{"user", v.Name, "via", "web", "from", s.browserOf(r).String(), "command", command}, more...)...)
}

func (s *Server) returnTo(w http.ResponseWriter, r *http.Request, query, id string) {
	values := url.Values{"q": {query}, "did": {id}}
	http.Redirect(w, r, "/search?"+values.Encode(), http.StatusSeeOther)
}

// formTriplet returns the triplet that a form names.
func (d *serving) formTriplet(ctx context.Context, form url.Values) (greylist.Triplet, error) {
	return d.triplet(ctx, [3]string{form.Get("client"), form.Get("sender"), form.Get("recipient")})
}

// put writes an entry in the place of what is stored, if that is as it was expected to be. If
// the entry is there already, an earlier try has written it.
func (d *serving) put(ctx context.Context, t greylist.Triplet, e greylist.Entry, may func(stored *greylist.Entry) bool) error {
	written := false
	_, err := d.Store.Update(ctx, []greylist.Triplet{t}, func(stored []*greylist.Entry) greylist.Decision {
		there := stored[0] != nil && *stored[0] == e
		written = there || may(stored[0])
		return greylist.Decision{Remember: e, Keep: there || !written}
	})
	switch {
	case err != nil:
		return readError(err)
	case !written:
		return errors.New("mail has come since then")
	}
	return nil
}

// pass lets a triplet in, as the command does.
func pass(ctx context.Context, d *serving, form url.Values) (*change, error) {
	t, err := d.formTriplet(ctx, form)
	if err != nil {
		return nil, err
	}
	asked := &change{back: t.String(), command: "pass " + t.String()}
	before, after, err := action.Pass(ctx, d.Store, t, d.Now())
	if err != nil {
		return asked, readError(err)
	}
	asked.undo = func(ctx context.Context) (string, error) {
		unchanged := func(stored *greylist.Entry) bool { return stored != nil && *stored == after }
		if before != nil {
			return fmt.Sprintf("Undone: mail from %s to %s waits as before.", t.Sender, t.Recipient), d.put(ctx, t, *before, unchanged)
		}
		stored, err := d.Store.Get(ctx, t)
		if err != nil {
			return "", readError(err)
		}
		if stored != nil && !unchanged(stored) {
			return "", errors.New("mail has come since then")
		}
		if _, err = d.Store.Forget(ctx, t); err != nil {
			err = readError(err)
		}
		return fmt.Sprintf("Undone: mail from %s to %s is unknown again.", t.Sender, t.Recipient), err
	}
	asked.did = printable(fmt.Sprintf("Let in: mail from %s to %s. %s", t.Sender, t.Recipient, d.next(ctx, t, after)))
	return asked, nil
}

// next says what happens to the next attempt of a triplet that was let in.
func (d *serving) next(ctx context.Context, t greylist.Triplet, e greylist.Entry) string {
	x, known, err := d.explained(ctx, t.Client, t)
	words, expected := action.Next(x, known, err)
	switch {
	case !expected:
		return "But " + words + "."
	case e.Deferred+e.Accepted > 0 && x.Answer.Verdict == greylist.Accept && !x.Answer.Observed:
		return fmt.Sprintf("It is %s; the server %s tries again by itself.", words, t.Client)
	}
	return "It is " + words + "."
}

// forget removes a triplet.
func forget(ctx context.Context, d *serving, form url.Values) (*change, error) {
	t, err := d.formTriplet(ctx, form)
	if err != nil {
		return nil, err
	}
	before, err := d.Store.Get(ctx, t)
	if err != nil {
		return nil, readError(err)
	}
	asked := &change{back: t.String(), command: "forget " + t.String()}
	known, err := d.Store.Forget(ctx, t)
	switch {
	case err != nil:
		return asked, readError(err)
	case !known || before == nil:
		return nil, errors.New("no triplet is stored for this mail")
	}
	asked.undo = func(ctx context.Context) (string, error) {
		return fmt.Sprintf("Undone: mail from %s to %s is stored as before.", t.Sender, t.Recipient),
			d.put(ctx, t, *before, func(stored *greylist.Entry) bool { return stored == nil })
	}
	asked.did = printable(fmt.Sprintf("Forgotten: mail from %s to %s by %s. The triplet is unknown again.", t.Sender, t.Recipient, t.Client))
	return asked, nil
}
