package mx

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dustin/go-humanize"

	"greyglass/e2e/lab"
)

// TestCopy: a memory goes from SQLite to PostgreSQL and back, all of it with its
// history, and what is there is not written twice.
func TestCopy(t *testing.T) {
	db := database(t)
	from := "sqlite:" + filepath.Join(lab.Dir(t), "a.db")
	d := startDaemon(t, from)
	const n = 1300
	var s session
	defer s.close()
	for i := range n {
		if a, err := s.ask(d.policy(), newID(), envelope{"203.0.113.7", fmt.Sprintf("s%d@sender.test", i), "bob@example.test"}); a != later {
			t.Fatalf("%v, %v", a, err)
		}
	}
	d.run("pass", "203.0.113.7", "s7@sender.test", "bob@example.test")
	d.stop() // which has the history written
	to := urlOf(db)
	back := "sqlite:" + filepath.Join(d.dir, "b.db")
	report := func(copied int) string {
		return fmt.Sprintf("copied: %s of 1,300 triplets, the others were there\nchecked: 1,300 triplets\n", humanize.Comma(int64(copied)))
	}
	for _, c := range []struct{ from, to, want string }{
		{from, to, report(n)},
		{from, to, report(0)},
		{to, back, report(n)},
	} {
		if got := d.run("copy", "--from", c.from, "--to", c.to); !strings.HasPrefix(got, c.want+"history: ") {
			t.Errorf("copy --from %s --to %s:\n%s\nwant\n%s", c.from, c.to, got, c.want)
		}
	}
	sorted := func(url string) string {
		lines := strings.Split(d.run("list", "--json", "--set", "store.url="+url), "\n")
		for i := range lines {
			lines[i] = strings.TrimSuffix(lines[i], ",")
		}
		return strings.Join(slices.Sorted(slices.Values(lines)), "\n")
	}
	if first, last := sorted(from), sorted(back); first != last {
		t.Errorf("it came back as\n%s\nwas\n%s", last, first)
	}
	if history := d.run("stats", "--json", "--set", "store.url="+back); !strings.Contains(history, fmt.Sprintf(`"deferred":%d,"denied"`, n)) {
		t.Errorf("the history of %d who were deferred came back as\n%s", n, history)
	}
	d.run("pass", "203.0.113.7", "s8@sender.test", "bob@example.test", "--set", "store.url="+to)
	if got := d.run("copy", "--from", to, "--to", from); !strings.HasPrefix(got, "copied: 1 of ") {
		t.Errorf("what is newer: %s", got)
	}
	if got := d.run("copy", "--from", back, "--to", from); !strings.HasPrefix(got, "copied: 0 of ") {
		t.Errorf("what is older: %s", got)
	}
}
