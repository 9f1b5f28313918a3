package transfer

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/memstore"
)

// counted is a store that counts how often counts are recorded, and can lose them.
type counted struct {
	*memstore.Store
	records int
	loses   bool
}

func (c *counted) Record(ctx context.Context, h greylist.History) error {
	c.records++
	if c.loses {
		return nil
	}
	return c.Store.Record(ctx, h)
}

func count(h greylist.History) *counted {
	c := &counted{Store: memstore.New()}
	_ = c.Store.Record(context.Background(), h)
	return c
}

func TestTransferHistory(t *testing.T) {
	answered := func(hour, count int64) greylist.Answered {
		return greylist.Answered{Hour: hour * greylist.Hour, Via: "milter", Count: count}
	}
	returned := func(hour, count int64) greylist.Returned {
		return greylist.Returned{Hour: hour * greylist.Hour, Within: 5, Count: count}
	}
	used := func(entry string, at int64) greylist.Used {
		return greylist.Used{List: "known-senders", Entry: entry, At: at}
	}
	from := count(greylist.History{Used: []greylist.Used{used("a", 7), used("b", 7), used("c", 7)}, Answered: []greylist.Answered{answered(1, 7), answered(2, 7), answered(3, 7), answered(4, 7)}, Returned: []greylist.Returned{returned(1, 3), returned(2, 3)}})
	to := count(greylist.History{Used: []greylist.Used{used("b", 5), used("c", 9)}, Answered: []greylist.Answered{answered(2, 5), answered(3, 7), answered(4, 9), answered(5, 1)}, Returned: []greylist.Returned{returned(2, 4)}})
	want := greylist.History{Used: []greylist.Used{used("a", 7), used("b", 7), used("c", 9)}, Answered: []greylist.Answered{answered(1, 7), answered(2, 7), answered(3, 7), answered(4, 9), answered(5, 1)}, Returned: []greylist.Returned{returned(1, 3), returned(2, 4)}}
	for _, written := range []int64{5, 0} { // the second time all is there
		sum, err := CopyHistory(t.Context(), from, to)
		if got, _ := to.History(t.Context(), 0); err != nil || sum != (Transferred{9, written}) || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; there is %+v, want %+v", sum, err, got, want)
		}
	}

	// So many that they are not recorded at once.
	for hour := range int64(2 * together) {
		_ = from.Record(t.Context(), greylist.History{Answered: []greylist.Answered{answered(10+hour, 1)}})
	}
	to.records = 0
	if sum, err := CopyHistory(t.Context(), from, to); err != nil || sum.Written != 2*together || to.records != 2 {
		t.Errorf("%+v, %v by %d records", sum, err, to.records)
	}

	to.loses = true
	_ = from.Record(t.Context(), greylist.History{Answered: []greylist.Answered{answered(1, 1)}})
	if _, err := CopyHistory(t.Context(), from, to); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("%v", err)
	}
}
