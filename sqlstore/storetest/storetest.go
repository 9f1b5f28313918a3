// Package storetest is the contract of [greylist.Store]: every implementation
// passes it.
package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"greyglass/greylist"
)

// Database opens the same database each time it is called, with a store of its
// own, as another process would. The caller closes it.
type Database func(t *testing.T) greylist.Store

// Run tests the stores of the databases that fresh makes, which are empty.
func Run(t *testing.T, fresh func(t *testing.T) Database) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Database)
	}{
		{"Decide", testDecide},
		{"Entry", testEntry},
		{"NoWrite", testNoWrite},
		{"Several", testSeveral},
		{"SeveralInOrder", testSeveralInOrder},
		{"SeveralAtOnce", testSeveralAtOnce},
		{"Ping", testPing},
		{"OddStrings", testOddStrings},
		{"Pass", testPass},
		{"Forget", testForget},
		{"Lasting", testLasting},
		{"OneFirstSeen", testOneFirstSeen},
		{"NoLostUpdate", testNoLostUpdate},
		{"ManyTriplets", testManyTriplets},
		{"Panic", testPanic},
		{"ContextEnded", testContextEnded},
		{"ContextEndsWhileWaiting", testContextEndsWhileWaiting},
		{"Close", testClose},
		{"CloseUnderLoad", testCloseUnderLoad},
		{"ListOrder", testListOrder},
		{"ListFilter", testListFilter},
		{"ListLong", testListLong},
		{"ListStop", testListStop},
		{"ListUse", testListUse},
		{"Stats", testStats},
		{"Expire", testExpire},
		{"ExpireBatches", testExpireBatches},
		{"ExpireVerdicts", testExpireVerdicts},
		{"History", testHistory},
		{"HistoryAddsUp", testHistoryAddsUp},
		{"HistoryAllOrNothing", testHistoryAllOrNothing},
		{"HistoryBatches", testHistoryBatches},
		{"HistoryExpires", testHistoryExpires},
		{"Clients", testClients},
		{"ClientsCountAtOnce", testClientsCountAtOnce},
		{"ClientsWithPass", testClientsWithPass},
		{"ClientsList", testClientsList},
		{"ClientsExpire", testClientsExpire},
		{"ClientsEnded", testClientsEnded},
		{"Expected", testExpected},
		{"ExpectedBound", testExpectedBound},
		{"ExpectedOnceAtOnce", testExpectedOnceAtOnce},
		{"ExpectedEnded", testExpectedEnded},
		{"Correspondents", testCorrespondents},
		{"CorrespondentsWithTriplets", testCorrespondentsWithTriplets},
		{"CorrespondentsAtOnce", testCorrespondentsAtOnce},
		{"CorrespondentsList", testCorrespondentsList},
		{"CorrespondentsExpire", testCorrespondentsExpire},
		{"CorrespondentsEnded", testCorrespondentsEnded},
		{"Commands", testCommands},
		{"CommandsAtOnce", testCommandsAtOnce},
		{"CommandsBound", testCommandsBound},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
}

// open opens a store that is closed when the test ends.
func open(t *testing.T, db Database) greylist.Store {
	t.Helper()
	s := db(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// triplet returns the n-th of many triplets.
func triplet(n int) greylist.Triplet {
	return greylist.Triplet{
		Client:    fmt.Sprintf("192.0.2.%d", n%256),
		Sender:    fmt.Sprintf("sender%d@example.com", n),
		Recipient: "recipient@example.org",
	}
}

// put remembers the entry, whatever was remembered before.
func put(t *testing.T, s greylist.Store, tr greylist.Triplet, e greylist.Entry) {
	t.Helper()
	err := Update(t.Context(), s, tr, func(*greylist.Entry) (greylist.Entry, bool) { return e, true })
	if err != nil {
		t.Fatalf("Update(%v): %v", tr, err)
	}
}

// putAll remembers the entries of the triplets numbered from zero. Those of
// one call are handed in together, so their order of arrival is not known.
func putAll(t *testing.T, s greylist.Store, entries []greylist.Entry) {
	t.Helper()
	var wg sync.WaitGroup
	for n, e := range entries {
		wg.Go(func() {
			err := Update(t.Context(), s, triplet(n), func(*greylist.Entry) (greylist.Entry, bool) { return e, true })
			if err != nil {
				t.Errorf("Update: %v", err)
			}
		})
	}
	wg.Wait()
}

func get(t *testing.T, s greylist.Store, tr greylist.Triplet) *greylist.Entry {
	t.Helper()
	e, err := s.Get(t.Context(), tr)
	if err != nil {
		t.Fatalf("Get(%v): %v", tr, err)
	}
	return e
}

// want checks what is remembered; nil for nothing.
func want(t *testing.T, s greylist.Store, tr greylist.Triplet, e *greylist.Entry) {
	t.Helper()
	got := get(t, s, tr)
	if (got == nil) != (e == nil) || got != nil && *got != *e {
		t.Errorf("remembered of %v: %+v, want %+v", tr, got, e)
	}
}

// Change is a change of one triplet: it returns what to remember, and whether to
// write it.
type Change func(remembered *greylist.Entry) (remember greylist.Entry, write bool)

// Update changes what is remembered of one triplet: to what change returns, if it
// says so.
func Update(ctx context.Context, s greylist.Memory, tr greylist.Triplet, change Change) error {
	_, err := s.Update(ctx, []greylist.Triplet{tr}, func(remembered []*greylist.Entry) greylist.Decision {
		remember, write := change(remembered[0])
		return greylist.Decision{Remember: remember, Keep: !write}
	})
	return err
}

// attempt updates the triplet as a [judge.Judge] does.
func attempt(ctx context.Context, s greylist.Store, tr greylist.Triplet, w greylist.Windows, now int64) (greylist.Decision, error) {
	return s.Update(ctx, []greylist.Triplet{tr}, func(remembered []*greylist.Entry) greylist.Decision {
		return w.Decide(remembered[0], now)
	})
}
