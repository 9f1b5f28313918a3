package report

import (
	"errors"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"greyglass/greylist"
)

const (
	hour    = int64(1_700_000_000 - 1_700_000_000%3600) // 2023-11-14 22:00:00
	maxWait = 25000                                     // greylist.max_defer_time
)

func answered(at int64, verdict greylist.Verdict, reason greylist.Reason, n int64) greylist.Answered {
	return greylist.Answered{Hour: at, Via: "milter", Verdict: verdict, Reason: reason, Count: n}
}

// history is that of a day, of which the last hours are not over.
var history = greylist.History{
	Answered: []greylist.Answered{
		answered(hour-3600, greylist.Defer, greylist.ReasonNotSeenBefore, 1000), // before all of it
		answered(hour, greylist.Defer, greylist.ReasonNotSeenBefore, 100),
		answered(hour, greylist.Defer, greylist.ReasonTooSoon, 30),
		answered(hour, greylist.Accept, greylist.ReasonAlreadyGrey, 400),
		answered(hour+3600, greylist.Accept, greylist.ReasonNowGrey, 40),
		answered(hour+3600, greylist.Deny, greylist.ReasonBlocked, 7),
		answered(hour+3600, greylist.Accept, greylist.ReasonError, 3),
		answered(hour+3600, greylist.Accept, greylist.ReasonNotSeenBefore, 5), // mode observe
		answered(hour+20*3600, greylist.Defer, greylist.ReasonTooLate, 10),
		answered(hour+20*3600, greylist.Defer, greylist.ReasonGreyTooLong, 10),
		answered(hour+21*3600, greylist.Accept, greylist.ReasonNowGrey, 4),
	},
	Returned: []greylist.Returned{
		{Hour: hour - 3600, Within: 86400, Count: 500},
		{Hour: hour, Within: 3900, Count: 20},
		{Hour: hour, Within: 7200, Count: 20},
		{Hour: hour + 20*3600, Within: 3900, Count: 4},
	},
}

func ptr(n int64) *int64 { return &n }

func TestPeriod(t *testing.T) {
	until := hour + 22*3600
	got := Of(history, hour, until, maxWait)
	want := Period{
		Since: hour, Until: until,
		Judged: 609, Accepted: 452, Deferred: 150, Denied: 7, Errors: 3, Observed: 5,
		New: 120, CameBack: 44, Never: 60, MayReturn: 16,
		Median: ptr(3875), // the 22nd of 24 within the step from 3600 to 3900
		P90:    ptr(7002), // the 39.6th of 44: the 15.6th of 20 from 6300 to 7200
		Waited: 44,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// TestPeriodAddsUp: every new triplet comes back, never does, or may, whatever the
// hours say.
func TestPeriodAddsUp(t *testing.T) {
	for _, returned := range []int64{0, 5, 10, 20, 1000} {
		for _, at := range []int64{0, 3600, 20 * 3600} {
			h := greylist.History{
				Answered: []greylist.Answered{answered(hour, greylist.Defer, greylist.ReasonNotSeenBefore, 10), answered(hour+at, greylist.Defer, greylist.ReasonTooLate, 5)},
				Returned: []greylist.Returned{{Hour: hour + at, Within: 3900, Count: returned}},
			}
			p := Of(h, hour, hour+21*3600, maxWait)
			if p.CameBack+p.Never+p.MayReturn != p.New || p.Never < 0 || p.MayReturn < 0 {
				t.Errorf("%d returned at %d: %+v", returned, at, p)
			}
		}
	}
}

func TestQuantile(t *testing.T) {
	if q := Quantile(make([]int64, len(greylist.Delays)), 0.5); q != 0 {
		t.Errorf("of nothing: %d", q)
	}
	for i := range greylist.Delays {
		delays := make([]int64, len(greylist.Delays))
		delays[i] = 3
		if q := Quantile(delays, 1); q != greylist.Delays[i] {
			t.Errorf("all of them waited %d, says %d", greylist.Delays[i], q)
		}
	}
}

func TestBars(t *testing.T) {
	bars := Bars(history, hour, hour+22*3600+1, time.UTC)
	if len(bars) != 23 {
		t.Fatalf("%d bars", len(bars))
	}
	for i, want := range map[int]Bar{
		0:  {hour, 530, 130, 100, 40},
		1:  {hour + 3600, 55, 0, 0, 0},
		20: {hour + 20*3600, 20, 20, 20, 4},
		22: {hour + 22*3600, 0, 0, 0, 0},
	} {
		if bars[i] != want {
			t.Errorf("bar %d: %+v, want %+v", i, bars[i], want)
		}
	}
	days := Bars(history, hour, hour+10*Day, time.UTC)
	if len(days) != 11 || days[0].Since%Day != 0 || days[0].New != 100 || days[1].New != 20 || days[1].Since-days[0].Since != Day {
		t.Errorf("by day: %+v", days)
	}
	if bars := Bars(history, hour, hour, time.UTC); len(bars) != 0 {
		t.Errorf("of no time: %+v", bars)
	}
}

func TestNetworks(t *testing.T) {
	for client, want := range map[string]string{
		"192.0.2.7":           "192.0.2.0/24",
		"192.0.2.0/28":        "192.0.2.0/24",
		"192.0.0.0/16":        "192.0.0.0/16",
		"2001:db8:1:2::/64":   "2001:db8:1::/48",
		"2001:db8:1:2::7":     "2001:db8:1::/48",
		"2001:db8::/32":       "2001:db8::/32",
		"from an older world": "from an older world",
	} {
		if got := NetworkOf(client); got != want {
			t.Errorf("%s is of %s, want %s", client, got, want)
		}
	}
}

func record(client, sender string, lastSeen, passedAt, deferred int64) greylist.Record {
	return greylist.Record{
		Triplet: greylist.Triplet{Client: client, Sender: sender, Recipient: "me@example.org"},
		Entry:   greylist.Entry{FirstSeen: lastSeen, LastSeen: lastSeen, PassedAt: passedAt, Deferred: deferred},
	}
}

func yieldAll(err error, records ...greylist.Record) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(greylist.Record{}, err)
		}
	}
}

// TestSenders: a pool of mail servers stands out from a server that only sends much.
func TestSenders(t *testing.T) {
	records := []greylist.Record{
		record("192.0.2.1", "a@pool.example", 100, 0, 1), // one mail, from three addresses
		record("192.0.2.2", "a@pool.example", 100, 0, 1),
		record("192.0.2.3", "a@pool.example", 100, 200, 2),
		record("192.0.2.1", "b@pool.example", 100, 0, 1), // another, from two
		record("192.0.2.2", "b@pool.example", 100, 0, 1),
		record("198.51.100.1", "x@busy.example", 100, 100, 9),
		record("198.51.100.1", "y@busy.example", 100, 100, 9),
		record("198.51.100.2", "z@busy.example", 100, 100, 9),
		record("203.0.113.1", "old@past.example", 1, 1, 99), // too long ago
		record("203.0.113.2", "old@past.example", 1, 1, 99),
		record("203.0.113.1", "new@future.example", 300, 0, 99), // too late
		record("203.0.113.1", "<>", 100, 0, 1),
		record("203.0.113.9", `"a@b"@odd.example`, 100, 100, 0), // let through by hand
	}
	got, err := SendersOf(yieldAll(nil, records...), Time{50, 300}, 10)
	want := Senders{
		Records: len(records),
		Domains: []Sender{
			{Name: "busy.example", Addresses: 2, Triplets: 3, Passed: 3, Deferred: 27},
			{Name: "pool.example", Addresses: 3, Triplets: 5, Passed: 1, Deferred: 6},
		},
		Networks: []Sender{{Name: "192.0.2.0/24", Addresses: 3, Triplets: 5, Passed: 1, Deferred: 6, Moved: 2}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	if got, err := SendersOf(yieldAll(nil, records...), Since(50), 1); err != nil || len(got.Domains) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	broken := errors.New("disk")
	if _, err := SendersOf(yieldAll(broken, records...), Since(50), 1); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// TestPrint fixes what people see.
func TestPrint(t *testing.T) {
	var out strings.Builder
	until := hour + 4*3600 - 1
	h := greylist.History{
		Answered: []greylist.Answered{
			answered(hour, greylist.Defer, greylist.ReasonNotSeenBefore, 12000),
			answered(hour+3600, greylist.Defer, greylist.ReasonNotSeenBefore, 6000),
			answered(hour+3600, greylist.Accept, greylist.ReasonNowGrey, 1500),
			answered(hour+3600, greylist.Accept, greylist.ReasonAlreadyGrey, 48500),
			answered(hour+7200, greylist.Defer, greylist.ReasonNotSeenBefore, 1),
			answered(hour+7200, greylist.Deny, greylist.ReasonBlocked, 2),
			answered(hour+7200, greylist.Accept, greylist.ReasonError, 3),
		},
		Returned: []greylist.Returned{{Hour: hour, Within: 4200, Count: 1500}},
	}
	page := Page{&out, time.UTC, 80}
	Of(h, hour, until, 7200).Print(page, "The last 4 hours")
	PrintBars(page, Bars(h, hour, until, time.UTC))
	senders := Senders{Records: 200000,
		Domains:  []Sender{{Name: "example.com", Addresses: 2, Triplets: 30, Passed: 12, Deferred: 90}},
		Networks: []Sender{{Name: "192.0.2.0/24", Addresses: 12, Triplets: 30, Passed: 12, Deferred: 90, Moved: 7}}}
	senders.Print(page)
	const want = `
The last 4 hours
  recipients judged        68,006
  accepted                 50,003  3.0 % of them had waited
  deferred                 18,001
  denied                        2
  by on_error                   3  because the database failed
  new triplets             18,001  whose wait began then
  came back                 1,500  8.3 %; half in 1h 7m, 90 % in 1h 9m
  never came back          10,500  58 %
  may still come back       6,001  33 %

New triplets by hour, UTC ('#' came back, '.' has not)
  11-14 22:00      12,000  #####...................................
  11-14 23:00       6,000  ....................
  11-15 00:00           1  .
  11-15 01:00 none

Domains that wait most often (of the newest 200,000 triplets)
  DOMAIN       ADDRESSES  TRIPLETS  PASSED  DEFERRED
  example.com          2        30      12        90

Networks in which one mail moves from address to address, and waits again
  NETWORK       ADDRESSES  TRIPLETS  PASSED  DEFERRED  MOVED
  192.0.2.0/24         12        30      12        90      7
  For pools of real mail servers set greylist.client_identity = "provider".
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestObserve: the hours after the last in which mail was deferred count, by the hour or by
// the day.
func TestObserve(t *testing.T) {
	h := greylist.History{Answered: []greylist.Answered{
		answered(hour, greylist.Defer, greylist.ReasonTooSoon, 100),
		answered(hour, greylist.Accept, greylist.ReasonNotSeenBefore, 100), // which count is from after the switch is not known
		answered(hour+3600, greylist.Accept, greylist.ReasonNotSeenBefore, 20),
		answered(hour+3600, greylist.Accept, greylist.ReasonLocal, 30),
		answered(hour+3600, greylist.Defer, greylist.ReasonBlocked, 10),
		answered(hour+2*3600, greylist.Accept, greylist.ReasonNowGrey, 8),
		answered(hour+2*3600, greylist.Accept, greylist.ReasonWayTooSoon, 2),
	}}
	got := Observe(h, hour, hour+3*3600+5, time.UTC)
	want := Observation{Since: hour + 3600, Judged: 70, WouldDefer: 22, CameBack: 8, Parts: []Observed{
		{hour + 3600, 60, 20}, {hour + 2*3600, 10, 2}, {hour + 3*3600, 0, 0}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	if want := "Since 2023-11-14 23:00 UTC greylist.mode is observe: would have deferred so far 22 of 70 recipients (31 %); came back anyway: 8 triplets."; got.Headline("", time.UTC) != want {
		t.Errorf("got\n%s\nwant\n%s", got.Headline("", time.UTC), want)
	}
	if want := "Then greylist.mode is observe: would have deferred 22 of 70 recipients (31 %); came back anyway: 8 triplets."; got.Headline("Then", time.UTC) != want {
		t.Errorf("got\n%s\nwant\n%s", got.Headline("Then", time.UTC), want)
	}
	var page strings.Builder
	got.Print(Page{&page, time.UTC, 80})
	if want := `
Would have deferred, of all that was judged, by hour, UTC
  11-14 23:00        20 of        60  ####################
  11-15 00:00         2 of        10  ##
  11-15 01:00 none
`; page.String() != want {
		t.Errorf("got\n%s\nwant\n%s", page.String(), want)
	}
	if days := Observe(h, hour, hour+20*Day, time.UTC).Parts; len(days) != 21 || days[0] != (Observed{hour - hour%Day, 60, 20}) || days[1].Judged != 10 {
		t.Errorf("by day: %+v", days)
	}
	if got, want := Observe(greylist.History{Answered: h.Answered[:2]}, hour, hour+7200, time.UTC).Headline("", time.UTC), "greylist.mode is observe; nothing was judged since 2023-11-14 23:00 UTC."; got != want {
		t.Errorf("of nothing: %q", got)
	}
}

// TestHeadline: the period in words.
func TestHeadline(t *testing.T) {
	for want, p := range map[string]Period{
		"Lately nothing was judged.":                               {},
		"Lately 3 recipients were judged: 3 accepted, 0 deferred.": {Judged: 3, Accepted: 3},
		"Lately 1,300 recipients were judged: 1,000 accepted (3.0 % of them had waited), 299 deferred, 1 denied. Of 200 new triplets 30 came back (15 %), half of them within 1h 5m; 20 may still.": {
			Judged: 1300, Accepted: 1000, Waited: 30, Deferred: 299, Denied: 1, New: 200, CameBack: 30, MayReturn: 20, Median: ptr(3900)},
	} {
		if got := p.Headline("Lately"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestZones: days are those of the zone, also where clocks change, and several empty ones
// are one line.
func TestZones(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2023, 10, 27, 12, 0, 0, 0, berlin).Unix()
	h := greylist.History{Answered: []greylist.Answered{
		answered(begin, greylist.Defer, greylist.ReasonNotSeenBefore, 1),
		answered(time.Date(2023, 10, 30, 23, 30, 0, 0, berlin).Unix(), greylist.Defer, greylist.ReasonNotSeenBefore, 1), // clocks were set back on 29 October
		answered(time.Date(2023, 10, 31, 0, 30, 0, 0, berlin).Unix(), greylist.Defer, greylist.ReasonNotSeenBefore, 2),
	}}
	var out strings.Builder
	bars := Bars(h, begin, begin+7*Day, berlin)
	PrintBars(Page{&out, berlin, 80}, bars)
	_, page, _ := strings.Cut(out.String(), ")\n")
	const want = `  2023-10-27           1  .
  2023-10-28 to 2023-10-29: none
  2023-10-30           1  .
  2023-10-31           2  ..
  2023-11-01 to 2023-11-03: none
`
	if page != want {
		t.Errorf("got\n%s\nwant\n%s", page, want)
	}
	for _, bar := range bars {
		if begins := time.Unix(bar.Since, 0).In(berlin).Format("15:04"); begins != "00:00" {
			t.Errorf("a day begins at %s", begins)
		}
	}
}

func TestGroups(t *testing.T) {
	records := []greylist.Record{
		record("192.0.2.1", "a@one.example", 100, 0, 1),
		record("192.0.2.1", "b@one.example", 100, 200, 2),
		record("192.0.2.2", "<>", 100, 0, 5),
		record("192.0.2.3", "old@past.example", 1, 1, 99),
		record("192.0.2.4", "new@future.example", 300, 0, 99),
		record("192.0.2.5", "probe@one.example", 100, 0, 0), // of which no mail came
	}
	got, err := GroupsBy("domain", yieldAll(nil, records...), Time{50, 300}, 10)
	want := Groups{"domain", 6, []Group{{"<>", 1, 0, 5, 0}, {"one.example", 2, 1, 3, 0}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	if got, err := GroupsBy("client", yieldAll(nil, records...), Time{50, 300}, 1); err != nil || len(got.Groups) != 1 || got.Groups[0].Name != "192.0.2.2" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestFits: on a page of 80 columns no line is longer, whatever the numbers are, and names are
// cut so that their end can be read.
func TestFits(t *testing.T) {
	const many = 987_654_321
	h := greylist.History{
		Answered: []greylist.Answered{
			answered(hour, greylist.Defer, greylist.ReasonNotSeenBefore, many),
			answered(hour, greylist.Accept, greylist.ReasonNotSeenBefore, many),
			answered(hour, greylist.Accept, greylist.ReasonNowGrey, many),
		},
		Returned: []greylist.Returned{{Hour: hour, Within: 2592000, Count: many / 11}},
	}
	long := strings.Repeat("long.", 20) + "shop.example"
	sender := Sender{Name: long, Addresses: 123456, Triplets: many, Passed: many, Deferred: many, Moved: many}
	for _, width := range []int{80, 140} {
		var out strings.Builder
		page := Page{&out, time.UTC, width}
		p := Of(h, hour, hour+10*Day, Day)
		page.Text(p.Headline("From 2026-11-21 00:00 to 2026-11-22 00:00 UTC (rounded to whole hours)"))
		p.Print(page, "The last 10 days")
		PrintBars(page, Bars(h, hour, hour+10*Day, time.UTC))
		Senders{Records: 1, Domains: []Sender{sender}, Networks: []Sender{sender}}.Print(page)
		Groups{"domain", 1, []Group{{long, many, many, many, many}}}.Print(page)
		Observe(h, hour, hour+Day, time.UTC).Print(page)
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns: a line of %d: %s", width, n, line)
			}
		}
		if strings.Count(out.String(), "p.example  ") != 3 {
			t.Errorf("%d columns: the end of a domain is missing in\n%s", width, out.String())
		}
	}
}
