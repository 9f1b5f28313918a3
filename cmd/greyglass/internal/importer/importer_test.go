package importer

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"greyglass/greylist"
)

const now = 1_800_000_000

// read imports a text.
func read(t *testing.T, kind, text string, change func(*Import)) (*Import, []string, error) {
	t.Helper()
	k, err := Find(kind)
	if err != nil {
		t.Fatal(err)
	}
	im := &Import{Kind: k, Source: "-", Stdin: strings.NewReader(text), Peer: k.Peer, Identity: greylist.DefaultIdentity, Windows: greylist.DefaultWindows, Now: now}
	if change != nil {
		change(im)
	}
	var got []string
	for r, err := range im.List(t.Context(), greylist.Filter{}) {
		if err != nil {
			return im, got, err
		}
		line := fmt.Sprintf("%s %s %d", r.Triplet, r.State(), now-r.FirstSeen)
		if r.Passed() {
			line += fmt.Sprintf(" %d", now-r.PassedAt)
		}
		got = append(got, line)
	}
	return im, got, nil
}

// dump is the output of db_dump, of keys and values in turn.
func dump(entries ...string) string {
	return "VERSION=3\nformat=print\ntype=btree\ndb_pagesize=4096\nHEADER=END\n " + strings.Join(entries, "\n ") + "\nDATA=END\n"
}

func span(first, last int) string { return fmt.Sprintf("%d,%d", now-first, now-last) }

func TestImport(t *testing.T) {
	cut24 := func(im *Import) { im.Identity.IPv4 = 24 }
	const (
		cut     = "the client is cut to /24, but clients here are told apart by 32 bits; greylist.client_prefix_ipv4 = 24 would take them"
		numbers = `numbers in the sender are replaced by #; greylist.sender_identity = "normalized" would take most`
		slash   = "an address contains a slash, so that sender and recipient cannot be told apart"
		proven  = "clients that have passed, without a recipient; learn.proven_after = 5 would take them"
	)
	for _, c := range []struct {
		name, kind, text string
		change           func(*Import)
		want             []string
		skipped          map[string]int64
	}{
		{"postgrey: states", "postgrey", dump(
			"203.0.113.0/ann@example.net/bob@example.org", span(900, 600),
			"203.0.113.0//bob@example.org", span(900, 601),
			"203.0.113.0/a/b@example.net/c/d@example.org", span(900, 0),
			"203.0.113.0/root/bob@example.org", span(5000, 0),
			"2001:db8:7:0:0:0:0:0/ann@example.net/bob@example.org", span(900, 600)), cut24,
			[]string{"203.0.113.0/24 ann@example.net bob@example.org passed 900 600", "203.0.113.0/24 <> bob@example.org waiting 900",
				"203.0.113.0/24 a/b@example.net c/d@example.org passed 900 0", "203.0.113.0/24 root bob@example.org passed 5000 0",
				"2001:db8:7::/64 ann@example.net bob@example.org passed 900 600"}, nil},
		{"postgrey: whole addresses", "postgrey", dump(
			"203.0.113.7/32/ann@example.net/bob@example.org", span(900, 600),
			"2001:db8:7:0:0:0:0:1/128/ann@example.net/bob@example.org", span(900, 600),
			"203.0.113.0/ann@example.net/bob@example.org", span(900, 600)), nil,
			[]string{"203.0.113.7 ann@example.net bob@example.org passed 900 600", "2001:db8:7::/64 ann@example.net bob@example.org passed 900 600"}, map[string]int64{cut: 1}},
		{"postgrey: another cut", "postgrey", dump(
			"203.0.113.64/ann@example.net/bob@example.org", span(900, 600),
			"203.0.113.65/ann@example.net/bob@example.org", span(900, 600)),
			func(im *Import) { im.Peer.IPv4, im.Identity.IPv4 = 26, 24 },
			[]string{"203.0.113.0/24 ann@example.net bob@example.org passed 900 600"},
			map[string]int64{"the network is no /26; give --ipv4cidr and --ipv6cidr as postgrey had them": 1}},
		{"postgrey: senders", "postgrey", dump(
			"203.0.113.0/list-return-#-bob=example.org@lists.example/bob@example.org", span(900, 600),
			"203.0.113.0/ann.#@example.net/bob@example.org", span(900, 600)), cut24, nil, map[string]int64{numbers: 2}},
		{"postgrey: normalized senders", "postgrey", dump(
			"203.0.113.0/list-return-#-bob=example.org@lists.example/bob@example.org", span(900, 600),
			"203.0.113.0/ann.#@example.net/bob@example.org", span(900, 600)),
			func(im *Import) { im.Identity.IPv4, im.Identity.Normalized = 24, true },
			[]string{"203.0.113.0/24 list-return@lists.example bob@example.org passed 900 600"}, map[string]int64{numbers: 1}},
		{"postgrey: skipped", "postgrey", dump(
			"203.0.113.0/root/a/b@example.org", span(900, 600),
			"203.0.113.0/ann@example.net/bob@example.org", span(4_000_000, 3_500_000),
			"203.0.113.0/ann@example.net/carol@example.org", span(26_000, 25_900),
			strings.Repeat("0123456789", 4), span(900, 600),
			"203.0.113.7", "5,1799999999",
			"nonsense/ann@example.net/bob@example.org", span(900, 600),
			"203.0.113.0/ann@example.net/dave@example.org", "x,y"), cut24, nil,
			map[string]int64{slash: 1, "silent for longer than greylist.max_grey": 1, "waiting for longer than greylist.max_defer_time": 1,
				"stored as a hash (--privacy)": 1, proven: 1, NoEntry: 2}},
		{"postgrey: escapes, and times in the future", "postgrey", dump(`203.0.113.0/a\5c\\\22@example.net/bob@example.org`, span(0, -900)), cut24,
			[]string{`203.0.113.0/24 "a\\\\\""@example.net bob@example.org passed 0 0`}, nil},

		{"milter-greylist", "milter-greylist", fmt.Sprintf("#\n# greylisted tuples\n#\n\n"+
			"203.0.113.7\t<Ann@example.net>\t<bob@example.org>\t%d # 2027-01-15 08:00:00\n"+
			"203.0.113.8   <>   <bob@example.org>   %d\n"+
			"203.0.113.9\t<ann@example.net>\t<bob@example.org>\t%d AUTO # 2027-01-15 08:00:00\n"+
			"2001:db8::1\t<ann@example.net>\t<bob@example.org>\t%d AUTO\n"+
			"203.0.113.9\t<ann@example.net>\t<carol@example.org>\t%d AUTO\n"+
			"203.0.113.10\t<ann@example.net>\t<bob@example.org>\t%d TARPIT\nnonsense\n", now+600, now-200, now+3600, now+100*day, now-1, now), nil,
			[]string{"203.0.113.7 ann@example.net bob@example.org waiting 1200", "203.0.113.8 <> bob@example.org waiting 2000",
				"203.0.113.9 ann@example.net bob@example.org passed 82800 82800", "2001:db8::/64 ann@example.net bob@example.org passed 0 0"},
			map[string]int64{"expired": 1, "tarpitted": 1, NoEntry: 1}},

		{"spamd", "spamd", fmt.Sprintf("GREY|203.0.113.7|mx.example.net|<Ann@example.net>|<bob@example.org>|%d|%d|%d|2|0\n"+
			"GREY|203.0.113.8|<ann@example.net>|<bob@example.org>|%d|%d|%d|1|0\n"+
			"GREY|203.0.113.9|a|b|<ann@example.net>|<bob@example.org>|1|2|3|1|0\n"+
			"WHITE|203.0.113.10|||%d|%d|%d|2|3\nTRAPPED|203.0.113.11|5\nSPAMTRAP|<trap@example.org>\n", now-700, now+800, now+10000,
			now-600, now+900, now+10000, now-day, now-day, now+35*day), nil,
			[]string{"203.0.113.7 ann@example.net bob@example.org waiting 700", "203.0.113.8 ann@example.net bob@example.org waiting 600"},
			map[string]int64{proven: 1, "a trap": 2, NoEntry: 1}},

		{"sqlgrey of pg_dump", "sqlgrey", "-- PostgreSQL database dump\nSET statement_timeout = 0;\nCREATE TABLE public.connect (\n    sender_name character varying(64) NOT NULL\n);\n" +
			"COPY public.connect (sender_name, sender_domain, src, rcpt, first_seen) FROM stdin;\n" +
			"ann\\tx\texample.net\t203.0.113.7\tbob@example.org\t2027-01-15 07:50:00.123456+00\n" +
			"-undef-\t-undef-\t2001:0db8:0000:0000:0000:0000:0000:0001\tbob@example.org\t2027-01-15 07:50:00+00\n" +
			"ann\texample.net\t203.0.113\tbob@example.org\t2027-01-15 07:50:00+00\nshort\trow\n\\.\n\n" +
			"COPY public.config (parameter, value) FROM stdin;\nversion\t2\n\\.\n" +
			"COPY public.from_awl (sender_name, sender_domain, src, first_seen, last_seen) FROM stdin;\n" +
			"ann\texample.net\t203.0.113.7\t2027-01-15 07:50:00+00\t2027-01-15 07:55:00+00\n\\.\n", nil,
			[]string{`203.0.113.7 "ann\\x09x"@example.net bob@example.org waiting 600`, "2001:db8::/64 <> bob@example.org waiting 600"},
			map[string]int64{cut: 1, NoEntry: 1, proven: 1}},
		{"sqlgrey of mysqldump", "sqlgrey", "/*!40103 SET TIME_ZONE='+00:00' */;\nCREATE TABLE `connect` (\n  `sender_name` varchar(64) NOT NULL\n);\n" +
			"INSERT INTO `config` VALUES ('a;b','it\\'s (1)'),('version','2');\n" +
			"INSERT INTO `connect` (`sender_name`, `sender_domain`, `src`, `rcpt`, `first_seen`) VALUES ('it\\'s','example.net','203.0.113.7','bob@example.org','2027-01-15 07:50:00'),\n" +
			"('" + strings.Repeat("x", 64) + "','example.net','203.0.113.7','bob@example.org','2027-01-15 07:50:00');\n", nil,
			[]string{"203.0.113.7 it's@example.net bob@example.org waiting 600"}, map[string]int64{"sqlgrey has cut an address that is too long": 1}},
		{"sqlgrey of sqlite3", "sqlgrey", fmt.Sprintf("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nINSERT INTO connect VALUES('it''s\\','example.net','203.0.113.7','bob@example.org',%d);\nINSERT nonsense\nCOMMIT;\n", now-600), nil,
			[]string{`203.0.113.7 "it's\\"@example.net bob@example.org waiting 600`}, map[string]int64{NoEntry: 1}},
	} {
		im, got, err := read(t, c.kind, c.text, c.change)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if c.skipped == nil {
			c.skipped = map[string]int64{}
		}
		if !maps.Equal(im.Skipped, c.skipped) {
			t.Errorf("%s: skipped %v, want %v", c.name, im.Skipped, c.skipped)
		}
	}
}

// TestProofs: what is known of clients alone.
func TestProofs(t *testing.T) {
	at := func(ages ...int64) (all []int64) {
		for _, age := range ages {
			all = append(all, now-age)
		}
		return all
	}
	im := &Import{Identity: greylist.DefaultIdentity, Proven: 3, Now: now, proofs: make(map[string]*proof)}
	for _, e := range []entry{
		{passes: 7, first: now - 100, last: now - 50},
		{passes: 2, first: now - 90, last: now - 10},
		{at: at(10*hour, 20*hour), first: now - 20*hour, last: now - 5},
		{at: at(10*hour+3599, 30*hour), first: now - 30*hour, last: now - 40},
	} {
		client := "203.0.113.7"
		if e.passes == 0 {
			client = "2001:db8::1"
		}
		e.client, _ = clientAt(client)
		if why := im.prove(e); why != "" {
			t.Error(why)
		}
	}
	want := map[string]*proof{
		"203.0.113.7":   {first: now - 100, last: now - 10, passes: 7},
		"2001:db8::/64": {first: now - 30*hour, last: now - 5, passes: 3, at: at(10*hour, 20*hour, 30*hour)},
	}
	if !reflect.DeepEqual(im.proofs, want) {
		t.Errorf("%+v, want %+v", im.proofs, want)
	}
}

// TestHostileSources: whatever a source is, the error is one line, and names it.
func TestHostileSources(t *testing.T) {
	garbage := strings.Repeat("\x00\xff\n|'(,\\\x80", 1000)
	long := strings.Repeat("x", 10<<20)
	for _, c := range []struct{ kind, text, says string }{
		{"postgrey", garbage, "-"},
		{"postgrey", long, "DATA=END"},
		{"postgrey", "", "DATA=END"},
		{"postgrey", strings.TrimSuffix(dump("203.0.113.7/32/ann@example.net/bob@example.org", span(900, 600)), "DATA=END\n"), "what it has was taken over"},
		{"sqlgrey", garbage, "none of sqlgrey's tables"},
		{"sqlgrey", "SQLite format 3\x00" + long, "none of sqlgrey's tables"},
		{"sqlgrey", "INSERT INTO connect VALUES('" + long, "in the middle of a table"},
		{"sqlgrey", "INSERT INTO connect " + long, "none of sqlgrey's tables"},
		{"sqlgrey", "COPY connect (a) FROM stdin;\n1\n", "in the middle of a table"},
		{"sqlgrey", "COPY connect (a) FROM stdin;\n" + long + "\n\\.\n", "the first line that cannot be read is -:2"},
		{"milter-greylist", garbage, "the first line that cannot be read is -:1"},
		{"milter-greylist", long, "the first line that cannot be read is -:1"},
		{"spamd", garbage, "the first line that cannot be read is -:1"},
		{"spamd", "GREY|203.0.113.7|" + long + "|a|b|1|2|3|4|5\n", "the first line that cannot be read is -:1"},
	} {
		_, got, err := read(t, c.kind, c.text, nil)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%s of %.40q: %d records, %.400v; want one line with %q", c.kind, c.text, len(got), err, c.says)
		}
	}
	for _, kind := range Kinds[:4] {
		im := &Import{Kind: kind, Source: filepath.Join(t.TempDir(), "nowhere")}
		for _, err := range im.List(t.Context(), greylist.Filter{}) {
			if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), im.Source) {
				t.Errorf("%s: %v", kind.Name, err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "sqlgrey.db")
	if err := os.WriteFile(file, []byte("SQLite format 3\x00"+garbage), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(t, "sqlgrey", "", func(im *Import) { im.Source = file }); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a damaged SQLite file: %v", err)
	}
}
