package doctor

import (
	"regexp"
	"slices"
	"strings"
)

// setting is a parameter of Postfix with the value that it should have.
type setting struct{ parameter, value string }

// set returns the command that gives services of Postfix these settings: in main.cf, and
// in master.cf for each service that overrides a parameter there.
func (v *exam) set(services []service, of func(service) []setting) string {
	var inMain, inMaster []string
	for _, s := range services {
		for _, one := range of(s) {
			edit := quoted(strings.TrimSpace(one.parameter + " = " + one.value))
			if _, ok := s.override[one.parameter]; ok {
				inMaster = append(inMaster, quoted(s.name+"/"+one.parameter+"="+compact(one.value)))
			} else if !slices.Contains(inMain, edit) {
				inMain = append(inMain, edit)
			}
		}
	}
	where := ""
	if v.PostfixConfig != "" {
		where = "-c " + v.PostfixConfig + " "
	}
	var commands []string
	if len(inMain) > 0 {
		commands = append(commands, "postconf "+where+"-e "+strings.Join(inMain, " "))
	}
	if len(inMaster) > 0 {
		commands = append(commands, "postconf "+where+"-P "+strings.Join(inMaster, " "))
	}
	return strings.Join(append(commands, "postfix "+where+"reload"), " && ")
}

// setOne returns the command that gives a service one setting.
func (v *exam) setOne(s service, parameter, value string) string {
	return v.set([]service{s}, func(service) []setting { return []setting{{parameter, value}} })
}

func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

var separators = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\s*=\s*`), "="},
	{regexp.MustCompile(`[\s,]+`), ","},
	{regexp.MustCompile(`\{,`), "{"},
	{regexp.MustCompile(`,\}`), "}"},
}

// compact writes a list without spaces, which "postconf -P" does not take; Postfix
// separates by commas just as well.
func compact(list string) string {
	for _, s := range separators {
		list = s.pattern.ReplaceAllString(list, s.with)
	}
	return list
}

// without removes the elements of a list for which it holds.
func without(list string, holds func(element string) bool) string {
	return strings.Join(slices.DeleteFunc(elements(list), holds), ", ")
}

// restriction is an element of a list of restrictions, with its argument if it is a question
// to a policy service.
type restriction struct {
	words  string
	policy string // what check_policy_service asks; otherwise empty
}

// restrictionsOf splits a list of restrictions. Classes stay as they are.
func restrictionsOf(list string) (all []restriction) {
	words := elements(list)
	for i := 0; i < len(words); i++ {
		from := i
		if words[i] == "warn_if_reject" && i+1 < len(words) {
			i++
		}
		r := restriction{}
		if words[i] == "check_policy_service" && i+1 < len(words) {
			i++
			r.policy = words[i]
		}
		r.words = strings.Join(words[from:i+1], " ")
		all = append(all, r)
	}
	return all
}

// unconditional are the restrictions behind which nothing is reached.
var unconditional = []string{"permit", "reject", "defer"}

// asking returns a list of restrictions in which a question to a policy service stands
// once: at its end, but where it is reached, and after pass, by which the site's own
// clients are let through, unless the list does so already.
func asking(list, element, pass string) string {
	all := restrictionsOf(notAsking(list, element))
	end := slices.IndexFunc(all, func(r restriction) bool { return slices.Contains(unconditional, r.words) })
	if end < 0 {
		end = len(all)
	}
	refuses := end < len(all) && all[end].words != "permit"
	ask := []restriction{{words: "check_policy_service " + element}}
	if !refuses && !slices.ContainsFunc(all, func(r restriction) bool { return r.words == "permit_mynetworks" }) {
		ask = append([]restriction{{words: pass}}, ask...)
	}
	return written(slices.Insert(all, end, ask...))
}

// notAsking returns a list of restrictions without the questions to a policy service.
func notAsking(list, element string) string {
	return written(slices.DeleteFunc(restrictionsOf(list), func(r restriction) bool { return r.policy == element }))
}

// begins matches the words that begin a restriction; others are its arguments, or classes.
var begins = regexp.MustCompile("^(permit|reject|defer|check_|warn_if_reject)")

// written writes a list of restrictions with a comma before each.
func written(all []restriction) string {
	var b strings.Builder
	for i, r := range all {
		switch {
		case i > 0 && begins.MatchString(r.words):
			b.WriteString(", ")
		case i > 0:
			b.WriteString(" ")
		}
		b.WriteString(r.words)
	}
	return b.String()
}
