package forecast

import (
	"container/heap"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/lookup"
	"greyglass/cmd/greyglass/internal/maillog"
	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
	"greyglass/sqlstore"
	"greyglass/sqlstore/memstore"
)

// configured is a configuration of these settings.
func configured(t testing.TB, name string, settings ...string) Configuration {
	t.Helper()
	settings = append(settings, "blocked.senders_file=", "blocked.exceptions_file=")
	loaded, err := config.Load(config.Source{Set: settings})
	if err != nil {
		t.Fatal(err)
	}
	return Configuration{Name: name, Policy: func(l rules.Lookup) (*judge.Policy, error) { return loaded.Config.Policy(loaded.Lists, l) }}
}

func newForecast(t testing.TB, configurations ...Configuration) *Forecast {
	t.Helper()
	resolver, err := lookup.New(lookup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(t.Context(), Options{Configurations: configurations, Lookup: resolver})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func end(t testing.TB, f *Forecast) *Result {
	t.Helper()
	r, err := f.End(t.Context(), new(maillog.Counts))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestForecastAgrees: a judge that gets the same month of mail, from senders that retry as
// real ones do and with the results of SPF that DNS would give, defers what the forecast
// says: in total within 1 % of the mail, and on each day within 3 % of the day's.
func TestForecastAgrees(t *testing.T) {
	agrees(t, newMonth(1, 10_000), func(*testing.T) greylist.Store { return memstore.New() })
}

// TestForecastAgreesWithSQLite: the same, in a smaller month, with the daemon's database.
func TestForecastAgreesWithSQLite(t *testing.T) {
	agrees(t, newMonth(4, 1000), func(t *testing.T) greylist.Store {
		store, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "greyglass.db"), sqlstore.Options{Create: true, Synchronous: "normal"})
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}

func agrees(t *testing.T, m *month, newStore func(*testing.T) greylist.Store) {
	configurations := []Configuration{
		configured(t, "classic"),
		configured(t, "gentle", "greylist.profile=gentle"),
		configured(t, "provider", "greylist.client_identity=provider", "greylist.sender_identity=normalized", "greylist.min_defer_time=5m"),
	}
	f := newForecast(t, configurations...)
	for _, message := range m.messages {
		f.Add(message.Mail)
	}
	r := end(t, f)
	for i, c := range configurations {
		forecast := r.Configurations[i]
		d := newDaemon(t, c, newStore(t))
		d.run(m)
		near := func(what string, percent, forecast, daemon, all int64) {
			if diff := forecast - daemon; max(diff, -diff)*100 > percent*all {
				t.Errorf("%s: %s: the forecast is %d, the daemon's answers %d, of %d", c.Name, what, forecast, daemon, all)
			}
		}
		t.Logf("%s: of %d, the forecast has %d deferred, the daemon %d", c.Name, d.delivered.Messages, forecast.Delivered.Deferred, d.delivered.Deferred)
		near("accepted at once", 1, forecast.Delivered.Accepted, d.delivered.Accepted, d.delivered.Messages)
		near("deferred", 1, forecast.Delivered.Deferred, d.delivered.Deferred, d.delivered.Messages)
		near("rejected mail that is deferred", 1, forecast.Rejected.Deferred, d.rejected.Deferred, d.rejected.Messages)
		for _, day := range r.Days {
			if day.Messages > 300 {
				near(inUTC(day.Since, time.DateOnly), 3, day.Deferred[c.Name], d.byDay[day.Since], day.Messages)
			}
		}
	}
}

// daemon is a judge in virtual time.
type daemon struct {
	t                   *testing.T
	judge               *judge.Judge
	now                 int64
	spf                 rules.SPF // of the attempt
	delivered, rejected Counts
	byDay               map[int64]int64
}

func newDaemon(t *testing.T, c Configuration, store greylist.Store) *daemon {
	d := &daemon{t: t, byDay: make(map[int64]int64)}
	t.Cleanup(func() { store.Close() })
	policy, err := c.Policy(d)
	if err != nil {
		t.Fatal(err)
	}
	silent := slog.New(slog.DiscardHandler)
	d.judge = judge.New(store, policy, silent, clock.New(func() time.Time { return time.Unix(d.now, 0) }, silent))
	return d
}

func (d *daemon) SPF(context.Context, netip.Addr, string, string) rules.SPF { return d.spf }

func (d *daemon) Listed(context.Context, netip.Addr, ...string) rules.Listing {
	return rules.Listing{Status: rules.NotInList}
}

func (d *daemon) Dynamic(name string, _ netip.Addr) bool { return name == "" }

// delivery is an attempt of a message of the month.
type delivery struct {
	at  int64
	age int64 // that it was meant to have
	*message
}

type deliveries []delivery

func (q deliveries) Len() int           { return len(q) }
func (q deliveries) Less(i, j int) bool { return q[i].at < q[j].at }
func (q deliveries) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *deliveries) Push(d any)        { *q = append(*q, d.(delivery)) }
func (q *deliveries) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// run has each message tried until it is accepted or its sender gives up.
func (d *daemon) run(m *month) {
	rng := rand.New(rand.NewPCG(2, 2))
	q := new(deliveries)
	for i := range m.messages {
		heap.Push(q, delivery{at: m.messages[i].Time, message: &m.messages[i]})
	}
	for q.Len() > 0 {
		try := heap.Pop(q).(delivery)
		client := greylist.NetworkClient(try.ClientAddress)
		if try.age > 0 {
			client = greylist.NetworkClient(try.org.client(rng))
		}
		d.now, d.spf = try.at, try.org.spf
		answer := d.judge.AtOnce(d.t.Context(), new(judge.Message), greylist.Attempt{
			Client: client, ClientName: try.ClientName, Helo: try.HELO, Sender: try.Sender, Recipient: try.Recipient})
		switch {
		case try.age > 0:
		case try.Outcome == maillog.Rejected:
			d.rejected.add(answer)
		default:
			d.delivered.add(answer)
			if answer.Verdict == greylist.Defer {
				d.byDay[dayOf(try.Time)]++
			}
		}
		if answer.Verdict == greylist.Accept || try.org.schedule == nil {
			continue
		}
		try.age = try.org.schedule(try.age)
		try.at = try.Time + try.age + rng.Int64N(3)
		if try.age <= try.org.until {
			heap.Push(q, try)
		}
	}
}
