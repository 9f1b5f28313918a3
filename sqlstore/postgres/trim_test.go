package postgres

import (
	"fmt"
	"sync"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// testPostgresTrim: several daemons that find the same excess remove it once, at
// the same time or one after the other.
func testPostgresTrim(t *testing.T, c *cluster) {
	url := c.schema(t)
	var stores []*Store
	for range 3 {
		stores = append(stores, openShared(t, url))
	}
	const rows, left = 3000, 2000
	var all sync.WaitGroup
	for i := range int64(rows) {
		all.Go(func() {
			unknown := greylist.Triplet{Client: "192.0.2.7", Sender: fmt.Sprint(i), Recipient: "bob@example.org"}
			if err := storetest.Update(t.Context(), stores[i%3], unknown, storetest.Remember(greylist.Entry{FirstSeen: 1})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, s := range stores {
		if n, err := s.Count(t.Context()); err != nil || n != rows {
			t.Errorf("%d, %v; want %d", n, err, rows)
		}
	}
	removed := make([]int64, len(stores))
	trim := func(i int) {
		n, err := stores[i].Trim(t.Context(), left)
		if err != nil {
			t.Error(err)
		}
		removed[i] = n
	}
	all.Go(func() { trim(0) })
	all.Go(func() { trim(1) })
	all.Wait()
	trim(2)
	if sum := removed[0] + removed[1] + removed[2]; sum != rows-left || removed[2] != 0 {
		t.Errorf("%v were removed, want %d, none of them by the last", removed, rows-left)
	}
	for _, s := range stores {
		if n, err := s.Count(t.Context()); err != nil || n != left {
			t.Errorf("%d, %v; want %d", n, err, left)
		}
	}
	if st, err := stores[0].Stats(t.Context()); err != nil || st.Waiting != left {
		t.Errorf("%+v, %v; want %d waiting", st, err, left)
	}
	closesSoon(t, stores...)
}
