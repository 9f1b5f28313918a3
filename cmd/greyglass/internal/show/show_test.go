package show

import "testing"

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 triplets":    Count(0, "triplet"),
		"1 triplet":     Count(1, "triplet"),
		"1,234 entries": Count(1234, "entry"),
		"1 entry":       Count(1, "entry"),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		n, of int64
		want  string
	}{{0, 0, ""}, {0, 7, "0 %"}, {3, 1000, "0.3 %"}, {99, 1000, "9.9 %"}, {996, 10000, "10 %"}, {995, 1000, "100 %"}, {31, 100, "31 %"}} {
		if got := Percent(c.n, c.of); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.n, c.of, got, c.want)
		}
	}
}

func TestDuration(t *testing.T) {
	for seconds, want := range map[int64][2]string{
		-5: {"0s", "0s"}, 0: {"0s", "0s"}, 5: {"5s", "5s"}, 60: {"1m", "1m"}, 90: {"1m 30s", "1m"}, 3600: {"1h", "1h"}, 3605: {"1h", "1h"},
		3900: {"1h 5m", "1h"}, 86400: {"1d", "1d"}, 90000: {"1d 1h", "1d"}, 30*86400 - 1: {"29d 23h", "29d"},
	} {
		if got := [2]string{Duration(seconds), Age(seconds)}; got != want {
			t.Errorf("%d: %s, want %s", seconds, got, want)
		}
	}
	if got := Seconds(0.0025); got != "2.5ms" {
		t.Errorf("%s", got)
	}
}

// TestAddress: the domain can be read, and its end always.
func TestAddress(t *testing.T) {
	for _, c := range []struct {
		address string
		width   int
		want    string
	}{
		{"ann@example.net", 15, "ann@example.net"},
		{"bounces+1234-abcd@d1972.example.com", 24, "boun..@d1972.example.com"},
		{"bounces+1234-abcd@d1972.example.com", 20, "..@d1972.example.com"},
		{"bounces+1234-abcd@d1972.example.com", 19, "..d1972.example.com"},
		{"bounces+1234-abcd@d1972.example.com", 12, "..xample.com"},
		{`"a@b"@bücher.example`, 18, `"..@bücher.example`},
		{"2001:db8:9f10:f54::/64", 15, "..9f10:f54::/64"},
		{"spf:protection.outlook.com", 15, "..n.outlook.com"},
		{"<>", 6, "<>"},
	} {
		if got := Address(c.address, c.width); got != c.want {
			t.Errorf("%s in %d: %s, want %s", c.address, c.width, got, c.want)
		}
	}
}
