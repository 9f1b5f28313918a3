package main

import (
	"database/sql"
	"errors"

	_ "modernc.org/sqlite"

	"greyglass/greylist"
	"greyglass/sqlstore"
	"greyglass/sqlstore/storetest"
)

// create makes the database, as the daemon's first start does.
func (s *site) create() { s.withStore(func(greylist.Store) error { return nil }) }

// withStore opens the site's database, also while the daemon has it open.
func (s *site) withStore(do func(greylist.Store) error) {
	s.t.Helper()
	store, err := sqlstore.Open(s.t.Context(), "sqlite:"+s.db, sqlstore.Options{Create: true})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(do(store), store.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// remember makes an entry of a triplet what is remembered.
func (s *site) remember(client, sender, recipient string, e greylist.Entry) {
	s.t.Helper()
	s.withStore(func(store greylist.Store) error {
		t := greylist.Triplet{Client: client, Sender: sender, Recipient: recipient}
		return storetest.Update(s.t.Context(), store, t, func(*greylist.Entry) (greylist.Entry, bool) { return e, true })
	})
}

// sql hands the database to do as another program sees it.
func (s *site) sql(do func(*sql.DB) error) {
	s.t.Helper()
	if err := withSQLite(s.db, do); err != nil {
		s.t.Fatal(err)
	}
}

func withSQLite(file string, do func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

// records are all that is remembered.
func (s *site) records() (all []greylist.Record) {
	s.t.Helper()
	s.withStore(func(store greylist.Store) error {
		for r, err := range store.List(s.t.Context(), greylist.Filter{}) {
			if err != nil {
				return err
			}
			all = append(all, r)
		}
		return nil
	})
	return all
}
