package doctor

import "strings"

// parseACLs returns the ACLs of a configuration by their names (Exim's
// specification, chapter 44).
func parseACLs(configuration string) map[string]string {
	acls := make(map[string]string)
	inside, name := false, ""
	for line := range strings.Lines(configuration) {
		line = strings.TrimSpace(line)
		if section, ok := strings.CutPrefix(line, "begin "); ok {
			inside, name = strings.TrimSpace(section) == "acl", ""
			continue
		}
		switch label, size := nameAt(line); {
		case !inside || line == "" || line[0] == '#':
		case size > 0 && strings.HasPrefix(line[size:], ":"):
			name = label
			acls[name] = strings.TrimSpace(line[size+1:]) + "\n"
		case name != "":
			acls[name] += line + "\n"
		}
	}
	return acls
}

// readsocket is an expansion that asks a socket:
// ${readsocket{socket}{request}{options}{end of line}{failure}}
// (Exim's specification, section 11.5).
type readsocket struct {
	socket, options, failure string
	hasFailure               bool
}

func readsockets(text string) (all []readsocket) {
	for {
		_, rest, found := strings.Cut(text, "${readsocket")
		if !found {
			return all
		}
		text = rest
		arguments := braced(rest)
		if len(arguments) == 0 {
			continue
		}
		r := readsocket{socket: strings.TrimSpace(arguments[0])}
		if len(arguments) > 2 {
			r.options = strings.TrimSpace(arguments[2])
		}
		if len(arguments) > 4 {
			r.failure, r.hasFailure = arguments[4], true
		}
		all = append(all, r)
	}
}

// braced returns the arguments in braces at the beginning of a text.
func braced(text string) (arguments []string) {
	for {
		text = strings.TrimLeft(text, " \t\n")
		if !strings.HasPrefix(text, "{") {
			return arguments
		}
		size := matching(text)
		if size < 0 {
			return arguments
		}
		arguments = append(arguments, text[1:size])
		text = text[size+1:]
	}
}

// matching returns the index of the brace that closes the one at the beginning of a
// text. A backslash escapes the next character, \N all up to the next \N.
func matching(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		case '\\':
			i++
			if i < len(text) && text[i] == 'N' {
				end := strings.Index(text[i+1:], `\N`)
				if end < 0 {
					return -1
				}
				i += 1 + end + 1
			}
		}
	}
	return -1
}
