package maillog

import (
	"bytes"
	"math"
	"time"
)

const (
	day     = 24 * 3600
	maxTime = math.MaxInt64
)

// calendar reads the times of a file.
type calendar struct {
	zone *time.Location // of times that name none

	// latest is when the last line was written. A time without a year is the latest that
	// is at most a day later; so December comes before January, and a file without years
	// must not be longer than a year.
	latest int64

	hour  [13]byte // the last date and hour that was read without a zone,
	begin int64    // and when it began
}

// parse reads the time at the beginning of a line. alone says that the line is of a file
// that has one program only.
//
//	Nov 29 22:41:22 …                      syslog (RFC 3164)
//	2026-11-29T22:41:22.123456+00:00 …     syslog (RFC 3339)
//	2026-11-29 22:41:22[.123] [+0000] …    Exim
func (c *calendar) parse(b []byte) (at int64, rest []byte, alone, ok bool) {
	if len(b) < len("Nov 29 22:41:22 ") {
		return 0, nil, false, false
	}
	if b[0] < '0' || b[0] > '9' {
		at, ok = c.withoutYear(b)
		return at, b[len("Nov 29 22:41:22 "):], false, ok && b[15] == ' '
	}
	if len(b) < len("2026-11-29 22:41:22 ") || b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != ' ' {
		return 0, nil, false, false
	}
	year, month, dayOfMonth := number(b[:4]), number(b[5:7]), number(b[8:10])
	hour, inHour, ok := clockTime(b[11:19])
	if !ok || year < 1970 || !isDate(year, month, dayOfMonth) {
		return 0, nil, false, false
	}
	alone = b[10] == ' '
	hourText := b[:13]
	b = b[19:]
	if b[0] == '.' || b[0] == ',' {
		for b = b[1:]; len(b) > 0 && '0' <= b[0] && b[0] <= '9'; b = b[1:] {
		}
	}
	offset, b, zoned, ok := zone(b, alone)
	switch {
	case !ok:
		return 0, nil, false, false
	case zoned:
		at = time.Date(year, time.Month(month), dayOfMonth, hour, 0, 0, 0, time.UTC).Unix() - offset
	case string(hourText) == string(c.hour[:]):
		at = c.begin
	default:
		at = time.Date(year, time.Month(month), dayOfMonth, hour, 0, 0, 0, c.zone).Unix()
		copy(c.hour[:], hourText)
		c.begin = at
	}
	return at + int64(inHour), b, alone, true
}

// zone reads the zone, and the space after it. It may be missing in Exim's times only.
func zone(b []byte, optional bool) (offset int64, rest []byte, zoned, ok bool) {
	if len(b) > 1 && b[0] == 'Z' && b[1] == ' ' {
		return 0, b[2:], true, true
	}
	t := b
	if optional {
		if len(b) == 0 || b[0] != ' ' {
			return 0, nil, false, false
		}
		t = b[1:]
	}
	if len(t) >= 6 && (t[0] == '+' || t[0] == '-') {
		digits, end := [4]byte{t[1], t[2], t[3], t[4]}, 5
		if t[3] == ':' && len(t) > 6 {
			digits, end = [4]byte{t[1], t[2], t[4], t[5]}, 6
		}
		h, m := number(digits[:2]), number(digits[2:])
		if h >= 0 && m >= 0 && t[end] == ' ' {
			offset = int64(h)*3600 + int64(m)*60
			if t[0] == '-' {
				offset = -offset
			}
			return offset, t[end+1:], true, true
		}
	}
	return 0, t, false, optional
}

// withoutYear reads "Nov 29 22:41:22".
func (c *calendar) withoutYear(b []byte) (int64, bool) {
	hour, inHour, ok := clockTime(b[7:15])
	if !ok || b[3] != ' ' || b[6] != ' ' {
		return 0, false
	}
	if string(b[:9]) == string(c.hour[:9]) {
		return c.begin + int64(inHour), true
	}
	month := bytes.Index([]byte("JanFebMarAprMayJunJulAugSepOctNovDec"), b[:3])
	dayOfMonth := number(b[4:6])
	if b[4] == ' ' {
		dayOfMonth = number(b[5:6])
	}
	if month < 0 || month%3 != 0 {
		return 0, false
	}
	month = month/3 + 1
	latest := time.Unix(c.latest, 0).In(c.zone)
	for year := latest.Year() + 1; year > latest.Year()-9; year-- { // a 29th of February may be 8 years ago
		if !isDate(year, month, dayOfMonth) {
			continue
		}
		at := time.Date(year, time.Month(month), dayOfMonth, hour, 0, 0, 0, c.zone).Unix()
		if at <= c.latest+day {
			copy(c.hour[:], b[:9])
			c.begin = at
			return at + int64(inHour), true
		}
	}
	return 0, false
}

// clockTime reads "22:41:22" as the hour, and the seconds since it began. A leap second
// counts.
func clockTime(b []byte) (hour, inHour int, ok bool) {
	hour, minute, second := number(b[:2]), number(b[3:5]), number(b[6:8])
	ok = b[2] == ':' && b[5] == ':' && 0 <= hour && hour < 24 && 0 <= minute && minute < 60 && 0 <= second && second <= 60
	return hour, minute*60 + second, ok
}

// number reads digits; -1 if there is anything else.
func number(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func isNumber(b []byte) bool { return len(b) > 0 && len(b) < 18 && number(b) >= 0 }

// isDate reports whether a year has such a day.
func isDate(year, month, dayOfMonth int) bool {
	t := time.Date(year, time.Month(month), dayOfMonth, 0, 0, 0, 0, time.UTC)
	return t.Month() == time.Month(month) && t.Day() == dayOfMonth
}
