package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// kind is the type of an option's value.
type kind interface {
	// read converts a value of the TOML parser to the Go type of the option's default,
	// or returns what is wrong with it.
	read(raw any) (any, []fault)

	// textual reports whether the value is a TOML string, which needs no quotes outside
	// of a file.
	textual() bool

	// describe returns the TOML type and the allowed values, for the reference.
	describe() (typ, allowed string)
}

// fault is a problem of a value.
type fault struct {
	index       int // of the entry of a list, from zero; whole: the value itself
	detail, fix string
}

const whole = -1

func wrong(detail, fix string) []fault { return []fault{{whole, detail, fix}} }

// text is a string. check, which may be nil, returns an error, or several joined.
type text struct {
	check   func(string) error
	allowed string
}

func (k text) textual() bool              { return true }
func (k text) describe() (string, string) { return "string", k.allowed }
func (k text) read(raw any) (any, []fault) {
	s, ok := raw.(string)
	if !ok {
		return nil, wrong(typeOf(raw)+" where a string belongs", "put it in quotes")
	}
	if k.check != nil {
		var faults []fault
		for _, err := range unjoin(k.check(s)) {
			faults = append(faults, faultOf(whole, s, err))
		}
		if len(faults) > 0 {
			return nil, faults
		}
	}
	return s, nil
}

// choice is one of a few strings.
type choice []string

func (k choice) textual() bool { return true }
func (k choice) describe() (string, string) {
	return "string", "one of `" + strings.Join(k, "`, `") + "`"
}
func (k choice) read(raw any) (any, []fault) {
	s, ok := raw.(string)
	for _, c := range k {
		if ok && s == c {
			return s, nil
		}
	}
	what := "not a known choice"
	if !ok {
		what = typeOf(raw) + " where a string belongs"
	}
	last := len(k) - 1
	return nil, wrong(what, fmt.Sprintf(`write "%s" or %s`, strings.Join(k[:last], `", "`), quote(k[last])))
}

// boolean is true or false.
type boolean struct{}

func (boolean) textual() bool              { return false }
func (boolean) describe() (string, string) { return "boolean", "" }
func (boolean) read(raw any) (any, []fault) {
	if b, ok := raw.(bool); ok {
		return b, nil
	}
	return nil, wrong(typeOf(raw)+" where a boolean belongs", "write true or false, without quotes")
}

// number is a whole number between two bounds.
type number struct{ min, max int64 }

func (number) textual() bool { return false }
func (k number) describe() (string, string) {
	return "integer", fmt.Sprintf("%d to %d", k.min, k.max)
}
func (k number) read(raw any) (any, []fault) {
	n, ok := raw.(int64)
	fix := fmt.Sprintf("write a number from %d to %d", k.min, k.max)
	switch {
	case !ok:
		return nil, wrong(typeOf(raw)+" where a whole number belongs", fix+", without quotes")
	case n < k.min || n > k.max:
		return nil, wrong("out of range", fix)
	}
	return int(n), nil
}

// duration is a time between two bounds, a multiple of step.
type duration struct{ min, max, step time.Duration }

func (duration) textual() bool { return false }
func (k duration) describe() (string, string) {
	var allowed []string
	if k.step == time.Second {
		allowed = append(allowed, "whole seconds")
	}
	if k.min > 0 {
		allowed = append(allowed, "at least "+inWords(k.min))
	}
	if k.max < longest {
		allowed = append(allowed, "at most "+inWords(k.max))
	}
	return "duration", strings.Join(allowed, ", ")
}

func (k duration) read(raw any) (any, []fault) {
	fix := `write a time such as "90s" or "1h30m", or a number of seconds`
	d, ok := time.Duration(0), true
	switch v := raw.(type) {
	case int64:
		d, ok = times(v, time.Second)
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			d, ok = times(n, time.Second)
			break
		}
		days, isDays := strings.CutSuffix(v, "d")
		if n, err := strconv.ParseInt(days, 10, 64); err == nil && isDays {
			d, ok = times(n, day)
			break
		}
		var err error
		if d, err = time.ParseDuration(v); err != nil {
			return nil, wrong("not a duration", fix)
		}
	case float64:
		return nil, wrong("a fraction where a duration belongs", fix)
	default:
		return nil, wrong(typeOf(raw)+" where a duration belongs", fix)
	}
	switch {
	case d < 0:
		return nil, wrong("a negative time", fix)
	case !ok || d > k.max:
		return nil, wrong("too long", "write at most "+spell(k.max))
	case d < k.min:
		return nil, wrong("too short", "write at least "+spell(k.min))
	case d%k.step != 0 && k.step == time.Second:
		return nil, wrong("not a whole number of seconds", fix)
	case d%k.step != 0:
		return nil, wrong("finer than "+inWords(k.step), fix)
	}
	return d, nil
}

// ParseDuration reads a duration as it is written in the configuration.
func ParseDuration(s string) (time.Duration, error) {
	d, faults := duration{0, longest, time.Second}.read(s)
	if faults != nil {
		return 0, fmt.Errorf("%s; %s", faults[0].detail, faults[0].fix)
	}
	return d.(time.Duration), nil
}

// times makes a duration of a number of units, and reports whether it fits.
func times(n int64, unit time.Duration) (time.Duration, bool) {
	if n > math.MaxInt64/int64(unit) {
		return 0, false
	}
	return time.Duration(max(n, -1)) * unit, true
}
