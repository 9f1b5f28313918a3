package main

// class is a group of senders in the picture.
type class string

const (
	providers class = "mailbox providers"
	servers   class = "mail servers of their own"
	bulk      class = "shops, newsletters, services"
	lists     class = "mailing lists and forwarders"
	codes     class = "login codes"
	queueless class = "applications without a queue"
)

var classes = []class{providers, servers, bulk, lists, codes, queueless}

// sender is a kind of sender: a row of the mix, or a kind of spam engine.
type sender struct {
	name     string
	class    class   // empty: spam
	weight   float64 // of a thousand first messages, or of a thousand spam messages
	tries    schedule
	from     pool    // its hosts; the zero value: each organisation has one of its own
	hosts    float64 // hosts of their own, for each first message: few write much, most write once
	domains  int     // sender domains of one such host, at most
	kept     care
	provider string   // whose SPF record has the pool
	forms    []string // of envelope senders; none: a person
	later    float64  // how many more messages follow the first of a pair, on average

	bots   bool    // spam from infected machines
	others bool    // each attempt comes from another of the kind's hosts
	listed float64 // share of the hosts that a blocklist has
}

// care is how well hosts are kept: shares.
type care struct {
	named   float64 // have a name that the mail server can confirm
	generic float64 // of these: the name is that of a line or a rented machine
	pass    float64 // SPF passes
	none    float64 // the domain has no SPF record; what is left fails the record that it has
}

var (
	kept   = care{named: 1, pass: 0.98, none: 0.01}                   // by those whose trade is mail
	usual  = care{named: 0.97, generic: 0.06, pass: 0.80, none: 0.14} // servers of firms, clubs, hosters
	office = care{named: 0.94, generic: 0.15, pass: 0.76, none: 0.16} // a server in the office, on a business line
	app    = care{named: 0.90, generic: 0.25, pass: 0.66, none: 0.24} // a program that sends for itself
)

// hoster is how many domains a host sends for, at most, where its owner is a hoster.
const hoster = 40

// Envelope senders. {n} and {hex} change with each message, {rcpt} is the recipient with
// = in the place of @, {org} is a number that the sender's account keeps.
var (
	asSES       = []string{"0100018f{hex8}-{hex8}-{hex4}-{hex4}-{hex4}-{hex12}-000000@bounces.{dom}"}
	asSendGrid  = []string{"bounces+{org}-{hex4}-{rcpt}@em{org}.{dom}"}
	asMailchimp = []string{"bounce-mc.us12_{org}.{n}-{rcpt}@mail{n2}.atl21.rsgsv.net"}
	asMandrill  = []string{"bounce-md_{org}.{hex8}.v1-{hex32}@mandrill.{dom}"}
	asSparkPost = []string{"msprvs1={n5}{hex3}=bounces-{org}-{n}@sparkpost.{dom}"}
	asMailgun   = []string{"bounce+{hex6}.{hex6}-{rcpt}@mg.{dom}"}
	asShop      = []string{"news-{n}-{rcpt}@mail.{dom}", "bounce-{n}@bounce.{dom}", "service@{dom}"}
	asList      = []string{"list{org}-return-{n}-{rcpt}@lists.{dom}", "list{org}-bounces+{rcpt}@lists.{dom}", "owner-list{org}@lists.{dom}"}
	asPerson    = []string{"{person}@{dom}"}
	asBATV      = []string{"{person}@{dom}", "{person}@{dom}", "prvs={n1}{hex9}={person}@{dom}"} // some of the servers tag
	asBarracuda = []string{"{person}@{dom}", "{person}@{dom}", "btv1=={hex7}=={person}@{dom}"}
	asPlus      = []string{"notify+{n}@{dom}"}
	asForwarded = []string{"{person}@{far}"} // forwarded as it came
	asSRS       = []string{"SRS0={b4}={b2}={far}={person}@{dom}"}
)

var (
	postfix = schedule{runs: []int64{5 * minute}}.then(growing(1, 5*minute, 4000), 5*day)
	exim    = schedule{runs: []int64{10 * minute, 30 * minute}}.then(eximWait, 4*day)
	gmail   = listed("6:02 29:02 56:36 98:44 162 230 309 435").then(each(126*minute), 2*day)
	m365    = listed("15 30 45").then(each(hour), day)
	grid    = listed("1 10 60 240").then(each(4*hour), 3*day)
	ses     = listed("5:38").then(growing(1, 0, 2*hour), 14*hour)
)

// mix is who writes to a mail server for the first time: sources and what is left open
// are in the page that is printed with the results.
var mix = []sender{
	{name: "Microsoft 365", class: providers, weight: 200, tries: m365, from: outlook, provider: "outlook.com", kept: kept, forms: asPerson, later: 2},
	{name: "Gmail, Workspace", class: providers, weight: 145, tries: gmail, from: google, provider: "google.com", kept: kept, forms: asPerson, later: 2},
	{name: "Yahoo", class: providers, weight: 14, tries: listed("2:07 5:39 12:58 27 55").then(growing(1, 0, 4*hour), 3*day), from: yahoo, provider: "yahoo.com", kept: kept, forms: asPerson, later: 1},
	{name: "AOL", class: providers, weight: 4, tries: listed("5:32 11:32 21:32 31:32"), from: aol, provider: "aol.com", kept: kept, forms: asPerson, later: 1},
	{name: "GMX", class: providers, weight: 16, tries: listed("5:01 12:33 23:50 41").then(growing(0.7, 0, 4*hour), 3*day), from: gmx, provider: "gmx.net", kept: kept, forms: asPerson, later: 1},
	{name: "mail.ru", class: providers, weight: 3, tries: listed("1:18 19:15 49").then(each(30*minute), 2*day), from: mailru, provider: "mail.ru", kept: kept, forms: asPerson, later: 1},
	{name: "iCloud", class: providers, weight: 12, tries: listed("0:02 0:06 5 15 35 75").then(each(hour), 3*day), from: icloud, provider: "icloud.com", kept: kept, forms: asPerson, later: 1},
	{name: "Mimecast", class: providers, weight: 20, tries: listed("1 6 15 30 60").then(each(hour), 4*day), from: mimecast, provider: "mimecast.com", kept: kept, forms: asPerson, later: 2},

	{name: "Postfix", class: servers, weight: 170, tries: postfix, hosts: 0.08, domains: hoster, kept: usual, forms: asBATV, later: 2},
	{name: "Exim", class: servers, weight: 95, tries: exim, hosts: 0.08, domains: hoster, kept: usual, forms: asPerson, later: 2},
	{name: "Sendmail", class: servers, weight: 8, tries: schedule{runs: []int64{10 * minute, 15 * minute, 30 * minute, hour}}.then(each(0), 5*day), hosts: 0.2, domains: 1, kept: usual, forms: asPerson, later: 2},
	{name: "qmail", class: servers, weight: 6, tries: quadratic(7 * day), hosts: 0.2, domains: hoster, kept: usual, forms: asPerson, later: 2},
	{name: "OpenSMTPD", class: servers, weight: 3, tries: quadratic(4 * day), hosts: 0.5, domains: 1, kept: usual, forms: asPerson, later: 2},
	{name: "Exchange Server", class: servers, weight: 25, tries: schedule{}.then(each(15*minute), 2*day), hosts: 0.15, domains: 1, kept: office, forms: asBarracuda, later: 2},
	{name: "Cisco ESA", class: servers, weight: 14, tries: listed("1 3 7 15 31 63").then(each(hour), 3*day), hosts: 0.15, domains: 3, kept: kept, forms: asBATV, later: 2},
	{name: "Haraka", class: servers, weight: 2, tries: listed("1 4 12 28 61").then(growing(1, 0, 8*hour), 2*day), hosts: 0.5, domains: 1, kept: usual, forms: asPerson, later: 2},
	{name: "Stalwart", class: servers, weight: 2, tries: listed("2 7 17 32 62").then(each(hour), 5*day), hosts: 0.5, domains: 1, kept: usual, forms: asPerson, later: 2},
	{name: "mox", class: servers, weight: 1, tries: listed("7:30 22:30 52:30 112").then(growing(1, 0, 16*hour), 3*day), from: pool{draw: 2}, hosts: 0.5, domains: 1, kept: usual, forms: asPerson, later: 2},
	{name: "chasquid", class: servers, weight: 1, tries: listed("1:30 7 17 38").then(growing(1, 0, hour), day), hosts: 0.5, domains: 1, kept: usual, forms: asPerson, later: 2},

	{name: "Amazon SES", class: bulk, weight: 50, tries: ses, from: amazon, provider: "amazonses.com", kept: kept, forms: asSES, later: 2},
	{name: "SendGrid", class: bulk, weight: 35, tries: grid, from: sendgrid, provider: "sendgrid.net", kept: kept, forms: asSendGrid, later: 2},
	{name: "Mailchimp", class: bulk, weight: 25, tries: listed("20 60 140").then(each(2*hour), 2*day), from: mailchimp, provider: "rsgsv.net", kept: kept, forms: asMailchimp, later: 3},
	{name: "Mailgun", class: bulk, weight: 22, tries: listed("10 25 55 115").then(each(2*hour), 8*hour), from: mailgun, provider: "mailgun.org", kept: kept, forms: asMailgun, later: 2},
	{name: "Mandrill", class: bulk, weight: 8, tries: listed("20").then(growing(1, 0, 4*hour), day), from: mandrill, provider: "mandrillapp.com", kept: kept, forms: asMandrill, later: 2},
	{name: "SparkPost, KumoMTA", class: bulk, weight: 8, tries: listed("20 60 140").then(each(160*minute), 3*day), from: sparkpost, provider: "sparkpostmail.com", kept: kept, forms: asSparkPost, later: 2},
	{name: "PowerMTA", class: bulk, weight: 55, tries: schedule{}.then(each(10*minute), 2*day), hosts: 0.05, domains: hoster, kept: kept, forms: asShop, later: 3},
	{name: "shops on Postfix", class: bulk, weight: 30, tries: postfix, hosts: 0.08, domains: 2, kept: usual, forms: asShop, later: 2},
	{name: "services on Exim", class: bulk, weight: 12, tries: exim, hosts: 0.08, domains: 2, kept: usual, forms: asPlus, later: 2},
	{name: "game and shop accounts", class: bulk, weight: 3, tries: listed("360 540"), hosts: 0.05, domains: 1, kept: kept, later: 1},

	{name: "mailing lists", class: lists, weight: 12, tries: postfix, hosts: 0.12, domains: 3, kept: usual, forms: asList, later: 6},
	{name: "ezmlm", class: lists, weight: 2, tries: quadratic(7 * day), hosts: 0.3, domains: 2, kept: usual, forms: asList[:1], later: 6},
	{name: "forwarders without SRS", class: lists, weight: 14, tries: postfix, hosts: 0.08, domains: 1, kept: care{named: 0.98, generic: 0.03, none: 0.05}, forms: asForwarded, later: 1},
	{name: "forwarders with SRS", class: lists, weight: 8, tries: postfix, hosts: 0.08, domains: 1, kept: usual, forms: asSRS, later: 1},

	{name: "codes by SES, for 5 minutes", class: codes, weight: 12, tries: schedule{}, from: amazon, provider: "amazonses.com", kept: kept, forms: asSES, later: 1},
	{name: "codes by SendGrid", class: codes, weight: 8, tries: grid, from: sendgrid, provider: "sendgrid.net", kept: kept, forms: asSendGrid, later: 1},
	{name: "codes by Postfix", class: codes, weight: 8, tries: postfix, hosts: 0.1, domains: 1, kept: usual, forms: asPerson, later: 1},
	{name: "codes, tried thrice", class: codes, weight: 4, tries: listed("1 4"), hosts: 0.1, domains: 1, kept: usual, forms: asPlus, later: 1},
	{name: "codes, tried twice", class: codes, weight: 2, tries: listed("5"), hosts: 0.1, domains: 1, kept: usual, forms: asPerson, later: 1},

	{name: "applications that never retry", class: queueless, weight: 6, tries: schedule{}, hosts: 0.5, domains: 1, kept: app, forms: asPerson, later: 2},
}

// home is how infected machines look: most are home and office lines, a few are servers.
// The sender is forged; of a few domains, SPF passes for everybody, or it is the
// server's own.
var home = care{named: 0.62, generic: 0.93, pass: 0.04, none: 0.2}

// minutesThenADay tries after 5 to 10 minutes, and again a day later.
func minutesThenADay(age int64) int64 {
	if age == 0 {
		return 5*minute + 150*second
	}
	return day
}

// spam is what no one wants, of a thousand messages.
var spam = []sender{
	{name: "bots: one shot", weight: 480, tries: schedule{}, hosts: 0.3, domains: 1000, kept: home, bots: true, listed: 0.6},
	{name: "bots: within seconds", weight: 110, tries: listed("0:05 0:20 1"), hosts: 0.3, domains: 1000, kept: home, bots: true, listed: 0.6},
	{name: "bots: after 5 to 10 minutes, and a day", weight: 110, tries: schedule{}.then(minutesThenADay, 2*day), hosts: 0.3, domains: 1000, kept: home, bots: true, listed: 0.6},
	{name: "bots: from another bot", weight: 60, tries: listed("10 70 300"), hosts: 1, domains: 1000, kept: home, bots: true, others: true, listed: 0.6},
	{name: "snowshoe hosts", weight: 120, tries: postfix, hosts: 0.1, domains: 3, kept: care{named: 1, pass: 0.97, none: 0.02}, forms: asShop, listed: 0.3},
	{name: "accounts at Gmail", weight: 60, tries: gmail, from: google, provider: "google.com", kept: kept},
	{name: "accounts at Microsoft 365", weight: 60, tries: m365, from: outlook, provider: "outlook.com", kept: kept},
}
