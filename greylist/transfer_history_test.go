package greylist

import (
	"context"
	"reflect"
	"strings"
	"testing"
)

// counted is a Store of which only the history is used.
type counted struct {
	Store
	answered map[Answered]int64 // whose Count is zero
	returned map[Returned]int64
	records  int
	loses    bool // what is recorded
}

func count(h History) *counted {
	c := &counted{answered: make(map[Answered]int64), returned: make(map[Returned]int64)}
	_ = c.Record(context.Background(), h)
	c.records = 0
	return c
}

func (c *counted) Record(_ context.Context, h History) error {
	c.records++
	if c.loses {
		return nil
	}
	for _, a := range h.Answered {
		n := a.Count
		a.Count = 0
		c.answered[a] += n
	}
	for _, r := range h.Returned {
		n := r.Count
		r.Count = 0
		c.returned[r] += n
	}
	return nil
}

func (c *counted) History(context.Context, int64) (History, error) {
	return historyOf(c.answered, c.returned), nil
}

func TestTransferHistory(t *testing.T) {
	answered := func(hour, count int64) Answered { return Answered{Hour: hour * Hour, Via: "milter", Count: count} }
	returned := func(hour, count int64) Returned { return Returned{Hour: hour * Hour, Within: 5, Count: count} }
	from := count(History{
		[]Answered{answered(1, 7), answered(2, 7), answered(3, 7), answered(4, 7)},
		[]Returned{returned(1, 3), returned(2, 3)},
	})
	to := count(History{
		[]Answered{answered(2, 5), answered(3, 7), answered(4, 9), answered(5, 1)},
		[]Returned{returned(2, 4)},
	})
	want := History{
		[]Answered{answered(1, 7), answered(2, 7), answered(3, 7), answered(4, 9), answered(5, 1)},
		[]Returned{returned(1, 3), returned(2, 4)},
	}
	transfer := Transfer{from, to}
	for _, written := range []int64{3, 0} { // the second time all is there
		sum, err := transfer.CopyHistory(t.Context())
		if got, _ := to.History(t.Context(), 0); err != nil || sum != (Transferred{6, written}) || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; there is %+v, want %+v", sum, err, got, want)
		}
	}

	// So many that they are not recorded at once.
	for hour := range int64(2 * together) {
		_ = from.Record(t.Context(), History{Answered: []Answered{answered(10+hour, 1)}})
	}
	to.records = 0
	if sum, err := transfer.CopyHistory(t.Context()); err != nil || sum.Written != 2*together || to.records != 2 {
		t.Errorf("%+v, %v by %d records", sum, err, to.records)
	}

	to.loses = true
	_ = from.Record(t.Context(), History{Answered: []Answered{answered(1, 1)}})
	if _, err := transfer.CopyHistory(t.Context()); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("%v", err)
	}
}
