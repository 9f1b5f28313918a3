package peerconfig

import (
	"regexp"
	"strconv"
	"strings"

	"greyglass/greylist/address"
)

var (
	expression = regexp.MustCompile(`^/(\S+)/$`)
	hostName   = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
)

const notUnderstood = "it is no entry of such a file"

// each calls convert with each entry, and makes rules of the conditions that it returns.
func (c *conversion) each(lines []line, convert func(entry string) (string, error)) {
	var all []string
	for _, l := range lines {
		entry, _, _ := strings.Cut(l.text, "#")
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		condition, err := convert(entry)
		if err != nil {
			c.no(l, err.Error())
		} else if condition == "" {
			c.no(l, notUnderstood)
		} else {
			all = append(all, condition)
		}
	}
	c.terms(all)
}

// postgreyClients: names, which stand for those below them too, addresses, and regular
// expressions of names.
func (c *conversion) postgreyClients(lines []line) {
	c.each(lines, func(entry string) (string, error) {
		if m := expression.FindStringSubmatch(entry); m != nil {
			return pattern("client_name", m[1])
		}
		if prefix, err := address.ParsePrefix(entry); err == nil {
			return "client_in(" + strconv.Quote(prefix.String()) + ")", nil
		}
		return nameOrBelow(entry), nil
	})
}

// nameOrBelow is a condition of a name and those below it; empty for what is no name.
func nameOrBelow(name string) string {
	if !hostName.MatchString(name) || strings.Trim(name, "0123456789.") == "" {
		return ""
	}
	name = strings.ToLower(name)
	return "client_name == " + strconv.Quote(name) + " || client_name endsWith " + strconv.Quote("."+name)
}

// postgreyRecipients: addresses, which stand for those with an extension too; mailboxes of
// any domain; domains and those below them; regular expressions.
func (c *conversion) postgreyRecipients(lines []line) {
	c.each(lines, func(entry string) (string, error) {
		if m := expression.FindStringSubmatch(entry); m != nil {
			return pattern("recipient", m[1])
		}
		if strings.ContainsAny(entry, " \t") {
			return "", nil
		}
		local, domain, isAddress := strings.Cut(strings.ToLower(entry), "@")
		var mailbox string
		if local != "" {
			mailbox = "(recipient_local == " + strconv.Quote(local) + " || recipient_local startsWith " + strconv.Quote(local+"+") + ")"
		}
		switch {
		case !isAddress && hostName.MatchString(local):
			return "recipient_domain == " + strconv.Quote(local) + " || recipient_domain endsWith " + strconv.Quote("."+local), nil
		case !isAddress || local == "":
			return "", nil
		case domain == "":
			return mailbox, nil
		case hostName.MatchString(domain):
			return mailbox + " && recipient_domain == " + strconv.Quote(domain), nil
		}
		return "", nil
	})
}

// sqlgreyNames: names, those below a domain, and regular expressions.
func (c *conversion) sqlgreyNames(lines []line) {
	c.each(lines, func(entry string) (string, error) {
		if m := expression.FindStringSubmatch(entry); m != nil {
			return pattern("client_name", m[1])
		}
		if domain, below := strings.CutPrefix(entry, "*."); below && hostName.MatchString(domain) {
			return "client_name endsWith " + strconv.Quote("."+strings.ToLower(domain)), nil
		}
		if hostName.MatchString(entry) && strings.Contains(entry, ".") {
			return "client_name == " + strconv.Quote(strings.ToLower(entry)), nil
		}
		return "", nil
	})
}

// sqlgreyAddresses: addresses, networks, and the first three octets of some.
func (c *conversion) sqlgreyAddresses(lines []line) {
	c.each(lines, func(entry string) (string, error) {
		prefix, err := address.ParsePrefix(strings.Join(strings.Fields(entry), ""))
		if err != nil {
			return "", nil
		}
		return "client_in(" + strconv.Quote(prefix.String()) + ")", nil
	})
}
