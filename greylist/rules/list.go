package rules

import (
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/problem"
)

// ListKind is what a list file holds: senders, recipients or clients.
type ListKind int

const (
	NoList ListKind = iota
	SenderList
	RecipientList
	ClientList // names and addresses
)

// ListFile is a list file that a condition names.
type ListFile struct {
	Kind ListKind
	File string
}

// List is the content of a list file. The zero value is empty. It takes the address
// patterns of the other lists, and the entries of postgrey's whitelists:
//
//	a line of senders or recipients    as package address reads it; of recipients also
//	                                   abuse@ for a mailbox of any domain, and
//	                                   example.org for a domain and its subdomains
//	a line of clients                  an address, a network, leading octets; a name,
//	                                   which stands for those below it too, or with a
//	                                   dot before it for those below it alone
//	/expression/                       what the regular expression matches somewhere
//
// A space and "#" begin a comment.
type List struct {
	File ListFile
	Uses *greylist.Uses // notes which entries match; may be nil

	mail        address.Patterns
	names       map[string]bool // of hosts, or of domains of recipients: the name and those below it
	below       map[string]bool // those below the name
	clients     networks
	entries     int
	expressions []*regexp.Regexp
}

var comment = regexp.MustCompile(`\s+#.*$`)

// ParseList reads a list file. Its error is as that of [address.ParseLines].
func ParseList(r io.Reader, file ListFile) (*List, error) {
	l := &List{File: file, names: map[string]bool{}, below: map[string]bool{}}
	err := address.ParseLines(r, file.File, func(line string) error {
		l.entries++
		return l.add(comment.ReplaceAllString(line, ""))
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *List) add(entry string) error {
	if len(entry) > 2 && entry[0] == '/' && entry[len(entry)-1] == '/' {
		expression, err := regexp.Compile("(?i)" + entry[1:len(entry)-1])
		if err != nil {
			return fmt.Errorf("%q is not a regular expression: %w", entry, err)
		}
		l.expressions = append(l.expressions, expression)
		return nil
	}
	switch l.File.Kind {
	case SenderList:
		return l.mail.Add(entry, address.Senders)
	case RecipientList:
		return l.addRecipient(entry)
	}
	return l.addClient(entry)
}

func (l *List) addRecipient(entry string) error {
	if mailbox, ok := strings.CutSuffix(entry, "@"); ok && mailbox != "" {
		entry = mailbox
	} else if isHostName(foldHost(entry)) && strings.Contains(entry, ".") {
		l.names[foldHost(entry)] = true // john.smith is a local part, too
	}
	return l.mail.Add(entry, address.Recipients)
}

func (l *List) addClient(entry string) error {
	prefix, err := address.ParsePrefix(entry)
	if err == nil {
		l.clients.insert(prefix)
		return nil
	}
	name, below := strings.CutPrefix(entry, ".")
	if !isHostName(foldHost(name)) || strings.Trim(name, "0123456789./") == "" {
		return problem.Of(entry, "write one, as mx.example.net, .example.net or 192.0.2.0/24", "is neither the name of a host or domain nor an address")
	}
	if below {
		l.below[foldHost(name)] = true
	} else {
		l.names[foldHost(name)] = true
	}
	return nil
}

// isHostName reports whether s can be the name of a host or domain (RFC 1123,
// section 2.1), with the underscores that are in use.
func isHostName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.Contains(s, "..") && s[0] != '.' &&
		strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

func foldHost(s string) string { return address.Domain(s) }

// Unconverted returns the internationalized domains of the list that do not convert to
// their form for the DNS.
func (l *List) Unconverted() []string { return l.mail.Unconverted() }

// Len returns the number of entries.
func (l *List) Len() int { return l.entries }

// match returns the entry that matches a sender, a recipient or a name; a name is
// empty if the client has none.
func (l *List) match(s string) (entry string, ok bool) {
	if s == "" {
		return "", false
	}
	if entry, ok := l.mail.Match(s); ok {
		return entry, true
	}
	switch l.File.Kind {
	case RecipientList:
		local, domain, ok := address.Cut(s)
		if !ok {
			break
		}
		if entry, ok := l.matchName(domain); ok {
			return entry, true
		}
		if mailbox, _, ok := strings.Cut(local, "+"); ok {
			if entry, ok := l.mail.Match(mailbox + "@" + domain); ok {
				return entry, true
			}
		}
	case ClientList:
		if entry, ok := l.matchName(s); ok {
			return entry, true
		}
	}
	return l.matchExpression(s)
}

func (l *List) matchName(name string) (entry string, ok bool) {
	if l.names[name] {
		return name, true
	}
	for parent := name; ; {
		_, rest, more := strings.Cut(parent, ".")
		if !more {
			break
		}
		parent = rest
		if l.names[parent] {
			return parent, true
		}
		if l.below[parent] {
			return "." + parent, true
		}
	}
	return "", false
}

// matchClient returns the entry that matches a client, by its address or its name.
func (l *List) matchClient(addr netip.Addr, name string) (entry string, ok bool) {
	if prefix, ok := l.clients.find(addr); ok {
		return prefix.String(), true
	}
	if entry, ok := l.match(name); ok {
		return entry, true
	}
	return l.matchExpression(addr.String())
}

func (l *List) matchExpression(s string) (entry string, ok bool) {
	for _, expression := range l.expressions {
		if expression.MatchString(s) {
			return "/" + strings.TrimPrefix(expression.String(), "(?i)") + "/", true
		}
	}
	return "", false
}
