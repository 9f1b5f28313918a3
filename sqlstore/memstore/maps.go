package memstore

import (
	"context"
	"iter"
	"maps"
	"slices"

	"greyglass/sqlstore/backend"
)

// get returns a copy of a key's value in one of the store's maps, or nil.
func get[K comparable, V any](ctx context.Context, s *Store, m map[K]V, key K) (found *V, err error) {
	err = s.use(ctx, func() {
		if v, known := m[key]; known {
			found = &v
		}
	})
	return found, err
}

// forget removes a key, and reports whether it was there.
func forget[K comparable, V any](ctx context.Context, s *Store, m map[K]V, key K) (known bool, err error) {
	err = s.use(ctx, func() {
		_, known = m[key]
		delete(m, key)
	})
	return known, err
}

// expire removes a batch of the values that are old.
func expire[K comparable, V any](ctx context.Context, s *Store, m map[K]V, old func(V) bool) (removed int, err error) {
	err = s.use(ctx, func() {
		for key, v := range m {
			if removed < backend.ExpireBatch && old(v) {
				delete(m, key)
				removed++
			}
		}
	})
	return removed, err
}

// list yields a record of each key, in an order.
func list[K comparable, V, R any](ctx context.Context, s *Store, m map[K]V, order func(a, b K) int, record func(K, V) R) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var all []R
		err := s.use(ctx, func() {
			for _, key := range slices.SortedFunc(maps.Keys(m), order) {
				all = append(all, record(key, m[key]))
			}
		})
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(*new(R), err)
		}
	}
}
