package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"greyglass/e2e/build"
)

// What schedules do, in minutes since the first attempt, if every attempt is deferred:
// the first retries, which come within [from, to], and the age at which they end.
func TestSchedules(t *testing.T) {
	for _, c := range []struct {
		sender   string
		from, to string
		end      int64 // at most
	}{
		{"Postfix", "5 15 35 75 140", "10:01 20:01 40:01 80:01 155", 5 * day},
		{"Exim", "15 30 45 60", "45:01 75:01 105:01 135:01", 4 * day},
		{"Sendmail", "0 10 20", "60:01 120:01 180:01", 5 * day},
		{"qmail", "6:40 26:40 60 106:40", "", 7 * day},
		{"OpenSMTPD", "6:40 26:40 60 106:40", "", 4 * day},
		{"Exchange Server", "15 30 45 60 75", "", 2 * day},
		{"Microsoft 365", "15 30 45 105 165", "", day},
		{"Gmail, Workspace", "6:02 29:02 56:36 98:44 162 230 309 435", "", 2 * day},
		{"Yahoo", "2:07 5:39 12:58 27 55", "", 3 * day},
		{"GMX", "5:01 12:33 23:50 41", "", 3 * day},
		{"mail.ru", "1:18 19:15 49", "", 2 * day},
		{"AOL", "5:32 11:32 21:32 31:32", "", 32 * minute},
		{"Amazon SES", "5:38", "", 14 * hour},
		{"SendGrid", "1 10 60 240", "", 3 * day},
		{"Mailgun", "10 25 55 115", "", day},
		{"SparkPost, KumoMTA", "20 60 140", "", 3 * day},
		{"Mandrill", "20", "", day},
		{"Mimecast", "1 6 15 30 60", "", 4 * day},
		{"Cisco ESA", "1 3 7 15 31 63", "", 3 * day},
		{"PowerMTA", "10 20 30 40", "", 2 * day},
		{"Haraka", "1 4 12 28 61", "", 2 * day},
		{"Stalwart", "2 7 17 32 62", "", 5 * day},
		{"mox", "7:30 22:30 52:30 112", "", 3 * day},
		{"chasquid", "1:30 7 17 38", "", day},
		{"game and shop accounts", "360 540", "", 9 * hour},
		{"codes, tried thrice", "1 4", "", 5 * minute},
		{"applications that never retry", "", "", 0},
	} {
		if c.to == "" {
			c.to = c.from
		}
		from, to, tries := listed(c.from).list, listed(c.to).list, kindNamed(t, c.sender).tries
		for seed := range uint64(50) {
			rng := rand.New(rand.NewPCG(seed, 1))
			q, began := tries.newQueue(rng), start+rng.Int64N(day)
			n, age, again := 1, int64(0), true
			for ; again; n++ {
				var due int64
				if due, again = tries.next(n, age, began, q); !again {
					break
				}
				if due <= age || n <= len(from) && (due < from[n-1] || due > to[n-1]) || due > c.end {
					t.Fatalf("%s: the retry %d comes %d s after the first attempt, the one before after %d s", c.sender, n, due, age)
				}
				age = due
			}
			if n <= len(from) {
				t.Fatalf("%s: only %d retries", c.sender, n-1)
			}
		}
	}
}

func kindNamed(t *testing.T, name string) *sender {
	for i := range mix {
		if mix[i].name == name {
			return &mix[i]
		}
	}
	t.Fatalf("no sender is called %q", name)
	return nil
}

// Pools: how many addresses the attempts of one message come from.
func TestPools(t *testing.T) {
	for _, c := range []struct {
		sender      string
		attempts    int
		least, most float64 // addresses, on average
	}{
		{"Microsoft 365", 16, 15, 16},
		{"Gmail, Workspace", 9, 6.5, 7.5},
		{"Yahoo", 9, 1, 1},
		{"GMX", 9, 2.5, 3},
		{"mail.ru", 9, 6.5, 7.5},
		{"Mailgun", 9, 1, 1},
	} {
		p := &population{}
		sum := 0
		for seed := range uint64(200) {
			m := &message{kind: kindNamed(t, c.sender), seed: seed, pool: int(seed * 1000)}
			found := make(map[client]bool)
			for n := range c.attempts {
				found[p.clientOf(m, n)] = true
			}
			sum += len(found)
		}
		if mean := float64(sum) / 200; mean < c.least || mean > c.most {
			t.Errorf("%s: %.2f addresses in %d attempts, want %g to %g", c.sender, mean, c.attempts, c.least, c.most)
		}
	}
	if got, want := outlook.client(1).name, "mail-40-107-1-1.outbound.protection.outlook.com"; got != want {
		t.Errorf("the name is %s, want %s", got, want)
	}
}

func TestForms(t *testing.T) {
	a := accountOf(rand.New(rand.NewPCG(1, 1)), "shop.example", "user@example.org")
	for form, want := range map[string]string{
		asSES[0]:      `^[0-9a-f]{16}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-000000@bounces\.shop\.example$`,
		asSendGrid[0]: `^bounces\+\d+-[0-9a-f]{4}-user=example\.org@em\d+\.shop\.example$`,
		asSRS[0]:      `^SRS0=[a-z2-7]{4}=[a-z2-7]{2}=friend\d+\.example=person\d+@shop\.example$`,
		asBATV[2]:     `^prvs=\d[0-9a-f]{9}=person\d+@shop\.example$`,
	} {
		if got := a.fill(form, rand.New(rand.NewPCG(2, 2))); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s makes %s, want %s", form, got, want)
		}
	}
}

// patient accepts an attempt of a message that is so old.
type patient struct {
	wait  int64
	first map[*message]int64
	last  int64
	err   error
}

func (p *patient) accepts(a attempt) (bool, error) {
	if a.time < p.last {
		p.err = errors.Join(p.err, errors.New("an attempt comes before one that was judged earlier"))
	}
	p.last = a.time
	if _, ok := p.first[a.message]; !ok {
		p.first[a.message] = a.time
	}
	return a.time-p.first[a.message] >= p.wait, nil
}

func TestLoop(t *testing.T) {
	p := newPopulation(7, 300)
	j := &patient{wait: 299, first: make(map[*message]int64)}
	delays, err := run(p, j)
	if err := errors.Join(err, j.err); err != nil {
		t.Fatal(err)
	}
	for i, m := range p.messages {
		want, known := map[string][2]int64{
			"PowerMTA": {599, 601}, "Exchange Server": {899, 901}, "AOL": {331, 333}, "mox": {449, 451}, "Microsoft 365": {899, 901},
			"applications that never retry": {lost, lost}, "bots: one shot": {lost, lost}, "codes, tried thrice": {lost, lost}, "Postfix": {299, 601},
		}[m.kind.name]
		if known && (delays[i] < want[0] || delays[i] > want[1]) {
			t.Errorf("%s: delayed by %d s, want %v", m.kind.name, delays[i], want)
		}
	}
}

// Same seed, same population; and each has what the mix says.
func TestPopulation(t *testing.T) {
	one, two, other := newPopulation(3, 2000), newPopulation(3, 2000), newPopulation(4, 2000)
	texts := func(p *population) (all []string) {
		for _, m := range p.messages {
			all = append(all, m.sender+" "+m.recipient+" "+m.spf)
		}
		return all
	}
	if !reflect.DeepEqual(texts(one), texts(two)) {
		t.Error("the same seed draws another population")
	}
	if slices.Equal(texts(one), texts(other)) {
		t.Error("another seed draws the same population")
	}
	firsts := 0
	for _, m := range one.messages {
		if m.first && m.kind.class != "" {
			firsts++
		}
	}
	if firsts < 1950 || firsts > 2050 {
		t.Errorf("%d first messages, want 2000", firsts)
	}
	if pass := spfPass([]*population{one, other}); pass < 0.87 || pass > 0.93 {
		t.Errorf("SPF passes for %.3f of first messages, want about 0.9", pass)
	}
}

// A short simulation with the real program, and its picture.
func TestClassic(t *testing.T) {
	program := filepath.Join(t.TempDir(), "greyglass")
	if err := build.Program(program); err != nil {
		t.Fatal(err)
	}
	s := &simulation{program: program}
	if err := s.try(configurations[0], []*population{newPopulation(1, 200)}); err != nil {
		t.Fatal(err)
	}
	all := s.done[0].all
	for _, c := range []struct {
		name        string
		least, most int64 // the median delay
	}{
		{"Postfix", 75 * minute, 81 * minute},
		{"qmail", 59 * minute, 107 * minute},
		{"AOL", lost, lost},
		{"applications that never retry", lost, lost},
		{"bots: one shot", lost, lost},
	} {
		if got := all[c.name].quantile(0.5); got < c.least || got > c.most {
			t.Errorf("%s: the median delay is %d s, want %d to %d", c.name, got, c.least, c.most)
		}
	}
	picture := xml.NewDecoder(strings.NewReader(draw(s.done)))
	for {
		_, err := picture.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
