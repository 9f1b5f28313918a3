package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

const (
	days       = 28         // in which the messages are sent
	start      = 1767571200 // Monday, 5 January 2026, 00:00 UTC
	perMailbox = 25         // first messages for each recipient, on average
)

// message is one that a sender has to deliver.
type message struct {
	kind      *sender
	first     bool  // the first of its pair of sender and recipient
	began     int64 // Unix time of the first attempt
	from      *organisation
	sender    string
	recipient string
	spf       string
	provider  string
	pool      int    // which part of a pool it leaves by
	seed      uint64 // of what is drawn attempt by attempt
}

// organisation is what sends from one place: a firm, a shop, an infected machine.
type organisation struct {
	clients []client // none: those of the kind's pool
	domain  string
	listed  bool
	queue   queue
}

// population is who sends, and all messages that they send.
type population struct {
	seed     uint64
	messages []*message
	count    map[*sender]int // of first messages
	known    map[string]*organisation
	pairs    map[string]bool
}

// newPopulation draws as many first messages, and as many spam messages.
func newPopulation(seed uint64, firsts int) *population {
	p := &population{seed: seed, count: make(map[*sender]int), known: make(map[string]*organisation), pairs: make(map[string]bool)}
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, kinds := range [][]sender{mix, spam} {
		var total float64
		for _, k := range kinds {
			total += k.weight
		}
		for i := range kinds {
			k := &kinds[i]
			p.count[k] = int(math.Round(float64(firsts) * k.weight / total))
			for range p.count[k] {
				for tries := 100; !p.pair(rng, k, firsts) && tries > 0; tries-- {
				}
			}
		}
	}
	return p
}

// pair draws the messages from a sender to a recipient. It is false if the pair is known.
func (p *population) pair(rng *rand.Rand, k *sender, firsts int) bool {
	m := message{kind: k, first: true, began: start + rng.Int64N(days*day), pool: rng.IntN(1 << 20)}
	m.recipient = fmt.Sprintf("user%d@example.org", skewed(rng, max(firsts/perMailbox, 1), 1.5))
	if k.from.hosts > 0 {
		m.from = p.organisation(k, skewed(rng, p.count[k], 2))
	} else {
		m.from = p.organisation(k, skewed(rng, p.hosts(k), 2))
	}
	domain, form := m.from.domain, asPerson[0]
	if k.domains > 1 {
		domain = fmt.Sprintf("site%d-%s", skewed(rng, k.domains, 2), domain)
	}
	if k.bots && rng.Float64() < wellKnown {
		domain = forgeable[rng.IntN(len(forgeable))]
	}
	if k.forms != nil { // a domain keeps to one
		form = k.forms[newRand(p.seed, domain).IntN(len(k.forms))]
	}
	words := accountOf(rng, domain, m.recipient)
	pair := words.fill(form, nil) + " " + m.recipient
	if p.pairs[pair] {
		return false
	}
	p.pairs[pair] = true
	for more := true; more && m.began < start+days*day; more = rng.Float64() < k.later/(k.later+1) {
		next := m
		next.seed = rng.Uint64()
		next.sender = words.fill(form, rng)
		p.askSPF(&next)
		p.messages = append(p.messages, &next)
		m.first = false
		m.began += 10*minute + int64(rng.ExpFloat64()*4*float64(day))
	}
	return true
}

// Of forged senders, a share has a domain that everybody knows, or the recipient's.
var forgeable = []string{"gmail.com", "outlook.com", "yahoo.com", "example.org"}

const wellKnown = 0.4

// askSPF draws what SPF says of a message: the same for all of a domain from a place.
func (p *population) askSPF(m *message) {
	_, domain, _ := strings.Cut(m.sender, "@")
	kept := m.kind.kept
	if slices.Contains(forgeable, domain) {
		kept.pass, kept.none = 0, 0
	}
	rng := newRand(p.seed, "spf "+domain+m.from.domain)
	if m.spf = kept.spf(rng); m.spf != "pass" {
		return
	}
	switch { // a pool's record, the hoster's, or the domain's own
	case m.kind.provider != "":
		m.provider = m.kind.provider
	case rng.IntN(2) == 0:
		m.provider = m.from.domain
	default:
		m.provider = registered(domain)
	}
}

// registered is the registered domain of one whose public suffix has one label.
func registered(domain string) string {
	labels := strings.Split(domain, ".")
	return strings.Join(labels[max(len(labels)-2, 0):], ".")
}

// hosts is how many hosts of their own all of a kind have.
func (p *population) hosts(k *sender) int { return int(math.Ceil(k.hosts * float64(p.count[k]))) }

// organisation is the i-th of a kind.
func (p *population) organisation(k *sender, i int) *organisation {
	letters := func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}
	domain := fmt.Sprintf("%s%d.example", strings.Map(letters, strings.ToLower(k.name)), i)
	if o := p.known[domain]; o != nil {
		return o
	}
	rng := newRand(p.seed, domain)
	o := &organisation{domain: domain, queue: k.tries.newQueue(rng), listed: rng.Float64() < k.listed}
	if k.from.hosts == 0 {
		care := k.kept
		if k.domains == hoster && i < p.hosts(k)/10 { // where so many depend on it, somebody sees to the name
			care.named, care.generic = 1, 0
		}
		o.clients = care.own(rng, domain, k.from.draw == 2 || !k.bots && rng.Float64() < dualStack)
	}
	p.known[domain] = o
	return o
}

// dualStack is the share of servers that send by IPv4 and IPv6.
const dualStack = 0.1

// skewed draws one of n, the first ones most often.
func skewed(rng *rand.Rand, n int, power float64) int {
	return int(math.Pow(rng.Float64(), power) * float64(n))
}

// newRand is a source of its own for something that has a name.
func newRand(seed uint64, name string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}
