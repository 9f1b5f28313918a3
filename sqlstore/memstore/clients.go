package memstore

import (
	"cmp"
	"context"
	"iter"

	"greyglass/greylist"
)

// putClient writes the row of a client, unless that has changed.
func (m *memory) putClient(w greylist.ClientWrite) {
	now, known := m.clients[w.Client]
	if known == (w.Before != nil) && (!known || now == *w.Before) {
		m.clients[w.Client] = w.After
	}
}

// Client implements [greylist.Memory].
func (s *Store) Client(ctx context.Context, client string) (*greylist.ClientEntry, error) {
	return get(ctx, s, s.clients, client)
}

// Clients implements [greylist.Store].
func (s *Store) Clients(ctx context.Context) iter.Seq2[greylist.ClientRecord, error] {
	return list(ctx, s, s.clients, cmp.Compare[string], func(client string, e greylist.ClientEntry) greylist.ClientRecord {
		return greylist.ClientRecord{Client: client, ClientEntry: e}
	})
}

// ForgetClient implements [greylist.Store].
func (s *Store) ForgetClient(ctx context.Context, client string) (bool, error) {
	return forget(ctx, s, s.clients, client)
}

// ExpireClients implements [greylist.Store].
func (s *Store) ExpireClients(ctx context.Context, before int64) (int, error) {
	return expire(ctx, s, s.clients, func(e greylist.ClientEntry) bool { return e.LastSeen < before })
}
