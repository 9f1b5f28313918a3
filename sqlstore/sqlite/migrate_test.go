package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// openSteps opens the database as a program with these migrations would.
func openSteps(path string, steps []string) (*Store, error) {
	return openStore(context.Background(), path, settings{create: true, synchronous: backend.Full, log: slog.New(slog.DiscardHandler), steps: steps})
}

// next is a migration as a later version might bring.
const next = `ALTER TABLE triplet ADD COLUMN note TEXT NOT NULL DEFAULT 'none'; CREATE TABLE extra (x INTEGER) STRICT;`

// TestMigrate: an older database is brought to the present version, once,
// by whichever program comes first, with all that is in it.
func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greyglass.db")
	s := open(t, path)
	e := greylist.Entry{FirstSeen: 1, LastSeen: 2, PassedAt: 3, Deferred: 4, Accepted: 5}
	if err := storetest.Update(t.Context(), s, storetest.Numbered(1), storetest.Remember(e)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	later := append(slices.Clone(migrations), next, `CREATE TABLE another (x INTEGER) STRICT`)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := openSteps(path, later)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if got, err := s.Get(t.Context(), storetest.Numbered(1)); err != nil || got == nil || *got != e {
				t.Errorf("%+v, %v; want %+v", got, err, e)
			}
		})
	}
	wg.Wait()
	db := raw(t, path)
	var version int
	var note string
	if err := db.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil || version != len(later) {
		t.Errorf("version %d, %v; want %d", version, err, len(later))
	}
	if err := db.QueryRow(`SELECT note FROM triplet`).Scan(&note); err != nil || note != "none" {
		t.Errorf("note %q, %v", note, err)
	}
	db.Close()
	refused(t, path, true, greylist.ErrNewer)
}

// TestMigrateFails: a step that fails leaves the version before it.
func TestMigrateFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greyglass.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	broken := append(slices.Clone(migrations), `CREATE TABLE extra (x INTEGER) STRICT; CREATE TABLE triplet (y)`)
	_, err := openSteps(path, broken)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("migrating from version %d to %d", len(migrations), len(migrations)+1)) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v; want one line that says where it failed", err)
	}
	onlyFile(t, path)
	checkWhole(t, path)
	db := raw(t, path)
	if _, err := db.Exec(`SELECT * FROM extra`); err == nil {
		t.Error("the step was done in part")
	}
	db.Close()
	if err := open(t, path).Close(); err != nil {
		t.Error(err)
	}
}

// TestPastVersions: databases that past versions have made still open, with
// all that is in them.
func TestPastVersions(t *testing.T) {
	want := []greylist.Record{
		{Triplet: greylist.Triplet{Client: "192.0.2.7", Sender: "sender@example.com", Recipient: "me@example.org"},
			Entry: greylist.Entry{FirstSeen: 1700000000, LastSeen: 1700000060, Deferred: 2}},
		{Triplet: greylist.Triplet{Client: "2001:db8:1::/64", Sender: "<>", Recipient: "o'brien@bücher.example"},
			Entry: greylist.Entry{FirstSeen: 1700000000, LastSeen: 1700007200, PassedAt: 1700007200, Deferred: 1, Accepted: 3}},
	}
	counted := greylist.History{
		Answered: []greylist.Answered{{Hour: 1699999200, Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Count: 2}},
		Returned: []greylist.Returned{{Hour: 1699999200, Within: 7200, Count: 1}},
	}
	client := greylist.ClientEntry{FirstPassed: 1700007200, CountedAt: 1700010800, Passed: 2, LastSeen: 1700014400}
	for file, history := range map[string]greylist.History{"v1.db": {}, "v2.db": counted, "v3.db": counted, "v4.db": counted} {
		path := filepath.Join(t.TempDir(), file)
		writeFile(t, path, readFile(t, filepath.Join("testdata", file)))
		s, err := Open(t.Context(), "sqlite:"+path, backend.Options{})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var got []greylist.Record
		for r, err := range s.List(t.Context(), greylist.Filter{}) {
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			got = append(got, r)
			if e, err := s.Get(t.Context(), r.Triplet); err != nil || e == nil || *e != r.Entry {
				t.Errorf("%s: by its key: %+v, %v; want %+v", file, e, err, r.Entry)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", file, got, want)
		}
		if got, err := s.History(t.Context(), 0); err != nil || !reflect.DeepEqual(got, history) {
			t.Errorf("%s: %+v, %v; want %+v", file, got, err, history)
		}
		if got, err := s.Client(t.Context(), want[1].Client); err != nil || (got != nil) != (file >= "v3.db") {
			t.Errorf("%s: of its client %+v, %v", file, got, err)
		}
		_, err = s.Update(t.Context(), []greylist.Triplet{want[1].Triplet}, func(there []*greylist.Entry) greylist.Decision {
			return greylist.Decision{Remember: *there[0], Client: &greylist.ClientWrite{Client: want[1].Client, After: client}}
		})
		if got, failed := s.Client(t.Context(), want[1].Client); errors.Join(err, failed) != nil || got == nil || *got != client {
			t.Errorf("%s: of its client %+v, %v", file, got, errors.Join(err, failed))
		}
		written := greylist.CorrespondentRecord{Correspondent: greylist.Correspondent{Local: "me@example.org", Remote: "sender@example.com"},
			CorrespondentEntry: greylist.CorrespondentEntry{FirstSeen: 1700000000, LastSeen: 1700000060}}
		if got, err := s.Correspondent(t.Context(), written.Correspondent); err != nil || got != nil {
			t.Errorf("%s: of a correspondent %+v, %v", file, got, err)
		}
		_, err = s.Update(t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Keep: true, Correspondents: &greylist.CorrespondentNotes{Now: 1700000060, Records: []greylist.CorrespondentRecord{written}}}
		})
		if got, failed := s.Correspondent(t.Context(), written.Correspondent); errors.Join(err, failed) != nil || got == nil || *got != written.CorrespondentEntry {
			t.Errorf("%s: of a correspondent %+v, %v", file, got, errors.Join(err, failed))
		}
		if err := s.Record(t.Context(), counted); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err := errors.Join(storetest.Update(t.Context(), s, want[0].Triplet, storetest.Remember(want[1].Entry)), s.Close()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		checkWhole(t, path)
	}
}
