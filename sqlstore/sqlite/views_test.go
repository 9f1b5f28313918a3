package sqlite

import (
	"fmt"
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// TestViews: what people find who read the database with a program of their own.
func TestViews(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	const at = 1_700_000_000 // 2023-11-14 22:13:20 UTC
	passed := storetest.Numbered(2)
	passed.Client, passed.Sender = "2001:db8:1::/64", "<>"
	for _, err := range []error{
		put(s, 1, greylist.Entry{FirstSeen: at, FirstAttempt: at - 600, LastSeen: at + 60, Deferred: 2})(),
		storetest.Update(t.Context(), s, passed, storetest.Remember(greylist.Entry{FirstSeen: at, LastSeen: at + 7200, PassedAt: at + 3600, Deferred: 1, Accepted: 2})),
		s.Record(t.Context(), greylist.History{
			Answered: []greylist.Answered{{Hour: at - at%3600, Via: "milter", Verdict: "defer", Reason: "too-soon", Count: 7}},
			Returned: []greylist.Returned{{Hour: at - at%3600, Within: 3900, Count: 3}},
			Used:     []greylist.Used{{List: "known-senders", Entry: "example.net", At: at}},
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Update(t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Client: &greylist.ClientWrite{Client: "192.0.2.1",
			After: greylist.ClientEntry{FirstPassed: at, CountedAt: at + 3600, Passed: 2, LastSeen: at + 3660}},
			Correspondents: &greylist.CorrespondentNotes{Now: at + 60, Records: []greylist.CorrespondentRecord{{
				Correspondent:      greylist.Correspondent{Local: "bob@example.org", Remote: "ann@example.net"},
				CorrespondentEntry: greylist.CorrespondentEntry{FirstSeen: at, LastSeen: at + 60}}}}}
	}); err != nil {
		t.Fatal(err)
	}
	expected := greylist.Expectation{Recipient: "bob@example.org", Sender: "@example.net", Since: at, Until: at + 1800, Once: true}
	if err := s.Expect(t.Context(), expected); err != nil {
		t.Fatal(err)
	}
	db := raw(t, s.path)
	for _, c := range []struct{ query, want string }{
		{`SELECT * FROM waiting`, "192.0.0.1|sender1@example.com|recipient@example.org|2023-11-14 22:13:20|2023-11-14 22:14:20|2|2023-11-14 22:03:20"},
		{`SELECT * FROM passed`, "2001:db8:1::/64|<>|recipient@example.org|2023-11-14 22:13:20|2023-11-14 23:13:20|2023-11-15 00:13:20|1|2"},
		{`SELECT * FROM answers`, "2023-11-14 22:00:00|milter|defer|too-soon|7"},
		{`SELECT * FROM returns`, "2023-11-14 22:00:00|3900|3"},
		{`SELECT * FROM entries_used`, "known-senders|example.net|2023-11-14 22:13:20"},
		{`SELECT * FROM clients`, "192.0.2.1|2|2023-11-14 22:13:20|2023-11-14 23:13:20|2023-11-14 23:14:20"},
		{`SELECT * FROM client`, "192.0.2.1|1700000000|1700003600|2|1700003660"},
		{`SELECT * FROM expectations`, "bob@example.org|@example.net|2023-11-14 22:13:20|2023-11-14 22:43:20|1|<nil>"},
		{`SELECT * FROM correspondents`, "bob@example.org|ann@example.net|2023-11-14 22:13:20|2023-11-14 22:14:20"},
		{`SELECT * FROM correspondent`, "bob@example.org|ann@example.net|1700000000|1700000060"},
		{`SELECT client, first_seen, passed_at FROM triplet WHERE id = 1`, "192.0.0.1|1700000000|<nil>"},
		{`PRAGMA user_version`, "6"},
		{`PRAGMA application_id`, "1196574553"},
	} {
		rows, err := db.Query(c.query)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, pointers := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		var got []string
		for rows.Next() {
			if err := rows.Scan(pointers...); err != nil {
				t.Fatal(err)
			}
			got = append(got, join(values))
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q, want %q", c.query, got, c.want)
		}
	}
}

func join(values []any) string {
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprint(v))
	}
	return strings.Join(all, "|")
}
