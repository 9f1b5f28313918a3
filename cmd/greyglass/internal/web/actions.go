package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"greyglass/greylist"
)

// changeTimeout is how long an action may wait for the database.
const changeTimeout = 10 * time.Second

// doing is an action: it makes a change that the form asks for.
type doing func(ctx context.Context, d *serving, form url.Values) (*change, error)

// action runs an action, logs it, and returns to the page where it was asked for.
func (s *Server) action(do doing) http.HandlerFunc {
	return s.forOperators(func(w http.ResponseWriter, r *http.Request, d *serving, v viewer) {
		ctx, cancel := context.WithTimeout(r.Context(), changeTimeout)
		defer cancel()
		done, err := do(ctx, d, r.PostForm)
		if err != nil {
			s.fail(w, r, v, http.StatusUnprocessableEntity, "Nothing was changed: "+sentence(err))
			return
		}
		done.user = v.Name
		s.logChange(r, d, v, done)
		s.returnTo(w, r, done.back, s.changes.add(done))
	})
}

// undo takes a change back.
func (s *Server) undo(w http.ResponseWriter, r *http.Request, d *serving, v viewer) {
	ctx, cancel := context.WithTimeout(r.Context(), changeTimeout)
	defer cancel()
	done := s.changes.take(r.PostForm.Get("id"), v)
	if done == nil {
		s.fail(w, r, v, http.StatusGone, "This cannot be undone any more, or was undone already.")
		return
	}
	did, err := done.undo(ctx)
	if err != nil {
		s.fail(w, r, v, http.StatusConflict, "It was not undone: "+sentence(err))
		return
	}
	back := &change{user: v.Name, did: printable(did), back: done.back, command: "undo " + done.command}
	s.logChange(r, d, v, back)
	s.returnTo(w, r, back.back, s.changes.add(back))
}

// logChange logs who did what, as a command is logged; see greyglass-log(5).
func (s *Server) logChange(r *http.Request, d *serving, v viewer, done *change) {
	command := done.command
	if d.Policy().PrivateLog {
		command, _, _ = strings.Cut(command, " ")
	}
	s.log.Info(eventAdmin, "user", v.Name, "via", "web", "from", s.browserOf(r).String(), "command", command)
}

func (s *Server) returnTo(w http.ResponseWriter, r *http.Request, query, id string) {
	values := url.Values{"q": {query}, "did": {id}}
	http.Redirect(w, r, "/search?"+values.Encode(), http.StatusSeeOther)
}

// formTriplet returns the triplet that a form names.
func (d *serving) formTriplet(ctx context.Context, form url.Values) (greylist.Triplet, error) {
	return d.triplet(ctx, [3]string{form.Get("client"), form.Get("sender"), form.Get("recipient")})
}

// put writes an entry in the place of what is stored, if that is as it was expected to be.
func (d *serving) put(ctx context.Context, t greylist.Triplet, e greylist.Entry, may func(stored *greylist.Entry) bool) error {
	written := false
	_, err := d.Store.Update(ctx, []greylist.Triplet{t}, func(stored []*greylist.Entry) greylist.Decision {
		written = may(stored[0])
		return greylist.Decision{Remember: e, Keep: !written}
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
	var before *greylist.Entry
	var after greylist.Entry
	now := d.Now()
	_, err = d.Store.Update(ctx, []greylist.Triplet{t}, func(stored []*greylist.Entry) greylist.Decision {
		before = nil
		if stored[0] != nil {
			was := *stored[0]
			before = &was
		}
		after = greylist.PassNow(before, now)
		return greylist.Decision{Remember: after}
	})
	if err != nil {
		return nil, readError(err)
	}
	undo := func(ctx context.Context) (string, error) {
		unchanged := func(stored *greylist.Entry) bool { return stored != nil && *stored == after }
		if before != nil {
			return fmt.Sprintf("Undone: mail from %s to %s waits as before.", t.Sender, t.Recipient), d.put(ctx, t, *before, unchanged)
		}
		stored, err := d.Store.Get(ctx, t)
		if err != nil {
			return "", readError(err)
		}
		if !unchanged(stored) {
			return "", errors.New("mail has come since then")
		}
		_, err = d.Store.Forget(ctx, t)
		return fmt.Sprintf("Undone: mail from %s to %s is unknown again.", t.Sender, t.Recipient), err
	}
	did := fmt.Sprintf("Let in: mail from %s to %s. It is accepted when the server %s tries again; it does that by itself.", t.Sender, t.Recipient, t.Client)
	return &change{did: printable(did), back: t.String(), undo: undo, command: "pass " + t.String()}, nil
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
	known, err := d.Store.Forget(ctx, t)
	switch {
	case err != nil:
		return nil, readError(err)
	case !known || before == nil:
		return nil, errors.New("nothing is remembered of this mail")
	}
	undo := func(ctx context.Context) (string, error) {
		return fmt.Sprintf("Undone: mail from %s to %s is remembered as before.", t.Sender, t.Recipient),
			d.put(ctx, t, *before, func(stored *greylist.Entry) bool { return stored == nil })
	}
	did := fmt.Sprintf("Forgotten: mail from %s to %s by %s. The next waits as that of an unknown sender.", t.Sender, t.Recipient, t.Client)
	return &change{did: printable(did), back: t.String(), undo: undo, command: "forget " + t.String()}, nil
}
