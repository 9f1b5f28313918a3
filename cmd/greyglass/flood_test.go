package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"greyglass/e2e/build"
	"greyglass/greylist"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"greyglass/sqlstore"
)

// TestMemoryOfAFlood: 500 connections that send what takes most memory, by milter
// and by policy, and end in the middle of the longest request that is taken, drive
// the daemon to no more than 200 MB. Once they are gone it gives the memory back.
func TestMemoryOfAFlood(t *testing.T) {
	const most = 200 << 20 // octets
	connections := 500
	if build.Race() { // the race detector takes several times the memory and the time
		connections = 100
	}
	s := newSite(t, nil)
	s.configure(conf{"listen.policy": quoted("unix:" + s.path("policy.sock"))})
	daemon := s.serve()
	before, read := daemon.octets("status", "VmRSS"), daemon.octets("io", "rchar")

	var peers sync.WaitGroup
	var conns []net.Conn
	sent := int64(0)
	for n := range connections {
		socket, octets := "milter.sock", milterFlood(n)
		if n%2 == 0 {
			socket, octets = "policy.sock", policyFlood(n)
		}
		c, err := net.Dial("unix", s.path(socket))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
		sent += int64(len(octets))
		_ = c.SetDeadline(time.Now().Add(testTimeout))
		peers.Go(func() { _, _ = io.Copy(io.Discard, c) })
		peers.Go(func() {
			if _, err := c.Write(octets); err != nil {
				t.Errorf("connection %d: %v", n, err)
			}
		})
	}
	eventually(t, "all is read", func() bool { return daemon.octets("io", "rchar") >= read+sent })
	peak := daemon.octets("status", "VmHWM")
	t.Logf("%d MB at the start, at most %d MB, after %d MB were sent", before>>20, peak>>20, sent>>20)
	if build.Race() {
		return
	}
	if peak >= most {
		t.Errorf("the flood takes %d MB, want less than %d", peak>>20, most>>20)
	}

	for _, c := range conns {
		_ = c.Close()
	}
	peers.Wait()
	took := eventually(t, "the memory is given back", func() bool {
		return daemon.octets("status", "VmRSS") < before+(peak-before)/3
	})
	t.Logf("given back after %v", took)
}

const longLine = listen.DefaultLine - 100

// milterFlood is what a hostile peer sends by milter, in frames that are taken.
func milterFlood(n int) []byte {
	line := strings.Repeat("x", longLine)
	flood := bytes.NewBuffer(mtatest.Frame('O', string(mtatest.Negotiation(6, 0, 0)))) // all steps
	send := func(command byte, text ...string) {
		flood.Write(mtatest.Frame(command, string(mtatest.Strings(text...))))
	}
	for _, stage := range "CHMRTNELBUA" {
		flood.Write(mtatest.Frame('D', string(stage)+macros()))
	}
	flood.Write(mtatest.Frame('C', string(mtatest.ConnectData(line, '4', 25, fmt.Sprintf("203.0.113.%d", n%250)))))
	send('H', line)
	send('M', "<>", line)
	for m := range 5 {
		send('R', fmt.Sprintf("<%d-%d-%s>", n, m, line))
	}
	flood.Write(mtatest.Frame('B', strings.Repeat("b", listen.DefaultRequest-1)))
	field := mtatest.Frame('L', string(mtatest.Strings("X-Long", strings.Repeat("h", 102400)))) // Postfix's header_size_limit
	flood.Write(field)
	flood.Write(field[:len(field)-1])
	return flood.Bytes()
}

// macros are as many as a frame has room for, and one of them is read.
var macros = sync.OnceValue(func() string {
	text := bytes.NewBufferString("i\x00" + strings.Repeat("q", 10_000) + "\x00")
	for n := 0; text.Len() < listen.DefaultRequest-50; n++ {
		fmt.Fprintf(text, "{m%d}\x00y\x00", n)
	}
	return text.String()
})

// policyFlood is the same by policy.
func policyFlood(n int) []byte {
	line := strings.Repeat("x", longLine)
	flood := new(bytes.Buffer)
	for m := range 5 {
		flood.WriteString(mtatest.PostfixRequest(mtatest.Bounce("RCPT",
			fmt.Sprintf("%d.%d.%s", n, m, line[100:]), fmt.Sprintf("%d-%s@example.org", m, line[100:]), "helo_name="+line)...))
	}
	half := "request=smtpd_access_policy\n" + strings.Repeat("a="+line+"\n", 5)
	flood.WriteString(half[:listen.DefaultRequest-1])
	return flood.Bytes()
}

// octets is what the system says of the process, in a file below /proc.
func (p *process) octets(file, name string) int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			value, kilo := strings.CutSuffix(strings.TrimSpace(value), " kB")
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			if kilo {
				n <<= 10
			}
			return n
		}
	}
	p.t.Fatalf("%s has no %s", file, name)
	return 0
}

// TestRowsOfAFlood: new triplets that come as fast as they are taken, which is faster
// than expiry goes, do not drive the rows more than a tenth above store.max_rows.
func TestRowsOfAFlood(t *testing.T) {
	const (
		most        = 30_000
		connections = 50
		together    = 5                     // requests in one write
		pause       = 30 * time.Millisecond // between two writes: 8,000 a second at most, and more than a sweep removes
		lasts       = 4 * time.Second
	)
	s := newSite(t, nil)
	s.configure(conf{"listen.policy": quoted("unix:" + s.path("policy.sock")), "store.max_rows": strconv.Itoa(most), "log.level": `"warn"`})
	s.create()
	fill(t, s.db, most)
	s.startCommand(s.command(t.Context(), "serve"))
	eventually(t, "it listens", func() bool { _, err := os.Stat(s.path("policy.sock")); return err == nil })

	var peers sync.WaitGroup
	var asked atomic.Int64
	end := time.Now().Add(lasts)
	for n := range connections {
		c, err := net.Dial("unix", s.path("policy.sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(testTimeout))
		peers.Go(func() {
			answers := bufio.NewReader(c)
			for i := 0; time.Now().Before(end); i++ {
				var requests bytes.Buffer
				for m := range together {
					requests.WriteString(mtatest.PostfixRequest(fmt.Sprintf("sender=%d.%d.%d@example.net", n, i, m),
						fmt.Sprintf("client_address=203.0.%d.%d", n, i%250)))
				}
				if _, err := c.Write(requests.Bytes()); err != nil {
					t.Error(err)
					return
				}
				for range 2 * together {
					if _, err := answers.ReadSlice('\n'); err != nil {
						t.Error(err)
						return
					}
				}
				asked.Add(together)
				time.Sleep(pause)
			}
		})
	}
	highest, looks := 0, 0
	s.sql(func(db *sql.DB) error {
		for ; time.Now().Before(end); looks++ {
			var rows int
			if err := db.QueryRow(`SELECT count(*) FROM triplet`).Scan(&rows); err != nil {
				return err
			}
			highest = max(highest, rows)
			time.Sleep(2 * time.Millisecond)
		}
		return nil
	})
	peers.Wait()
	t.Logf("%d new triplets in %v: at most %d rows, as seen %d times", asked.Load(), lasts, highest, looks)
	if highest > most*11/10 || asked.Load() < 1000 {
		t.Errorf("want %d rows at most, and more triplets than 1000", most*11/10)
	}
}

// fill writes so many waiting triplets to a database.
func fill(t *testing.T, file string, rows int) {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), "sqlite:"+file, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var triplets []greylist.Triplet
	d := greylist.Decision{Keep: true}
	for i := range rows {
		triplets = append(triplets, greylist.Triplet{Client: fmt.Sprintf("198.51.%d.%d", i>>8&255, i&255), Sender: fmt.Sprintf("%d@example.com", i), Recipient: "bob@example.org"})
		d.Others = append(d.Others, greylist.Write{Triplet: i, Entry: greylist.Entry{FirstSeen: wallClock().Unix(), Deferred: 1}})
	}
	_, err = store.Update(t.Context(), triplets, func([]*greylist.Entry) greylist.Decision { return d })
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
}
