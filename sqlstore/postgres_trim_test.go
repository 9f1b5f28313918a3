package sqlstore

import (
	"fmt"
	"sync"
	"testing"

	"greyglass/greylist"
)

// testPostgresTrim: of several daemons that find the same excess, together they
// remove it once.
func testPostgresTrim(t *testing.T, c *cluster) {
	url := c.schema(t)
	var stores []*sharedStore
	for range 3 {
		stores = append(stores, openShared(t, url))
	}
	const rows, excess = 3000, 1000
	var all sync.WaitGroup
	for i := range int64(rows) {
		all.Go(func() {
			stranger := greylist.Triplet{Client: "192.0.2.7", Sender: fmt.Sprint(i), Recipient: "bob@example.org"}
			if err := stores[i%3].Update(t.Context(), stranger, remember(greylist.Entry{FirstSeen: 1})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, s := range stores {
		all.Go(func() {
			if n, err := s.Trim(t.Context(), excess); err != nil || n != excess {
				t.Errorf("%d, %v; want %d", n, err, excess)
			}
		})
	}
	all.Wait()
	if st, err := stores[0].Stats(t.Context()); err != nil || st.Waiting > rows-excess || st.Waiting < rows-2*excess {
		t.Errorf("%+v, %v; want %d waiting", st, err, rows-excess)
	}
	closesSoon(t, stores...)
}
