package memstore

import (
	"context"
	"iter"
	"maps"
	"slices"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// putClient writes the row of a client, unless that has changed.
func (m *memory) putClient(w greylist.ClientWrite) {
	now, known := m.clients[w.Client]
	if known == (w.Before != nil) && (!known || now == *w.Before) {
		m.clients[w.Client] = w.After
	}
}

// Client implements [greylist.Memory].
func (s *Store) Client(ctx context.Context, client string) (found *greylist.ClientEntry, err error) {
	err = s.use(ctx, func() {
		if e, known := s.clients[client]; known {
			found = &e
		}
	})
	return found, err
}

// Clients implements [greylist.Store].
func (s *Store) Clients(ctx context.Context) iter.Seq2[greylist.ClientRecord, error] {
	return func(yield func(greylist.ClientRecord, error) bool) {
		var all []greylist.ClientRecord
		err := s.use(ctx, func() {
			for _, client := range slices.Sorted(maps.Keys(s.clients)) {
				all = append(all, greylist.ClientRecord{Client: client, ClientEntry: s.clients[client]})
			}
		})
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(greylist.ClientRecord{}, err)
		}
	}
}

// ForgetClient implements [greylist.Store].
func (s *Store) ForgetClient(ctx context.Context, client string) (known bool, err error) {
	err = s.use(ctx, func() {
		_, known = s.clients[client]
		delete(s.clients, client)
	})
	return known, err
}

// ExpireClients implements [greylist.Store].
func (s *Store) ExpireClients(ctx context.Context, before int64) (removed int, err error) {
	err = s.use(ctx, func() {
		for client, e := range s.clients {
			if e.LastSeen < before && removed < backend.ExpireBatch {
				delete(s.clients, client)
				removed++
			}
		}
	})
	return removed, err
}
