package config

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/problem"
)

var replySection = Section{
	Name: "reply",
	Doc: "What every reply can tell the sender of a refused message. In the text of any reply, `{wait}` stands for the time until a retry can pass, in words and rounded up, such as `58 minutes` " +
		"(`some time` where it is not known); `{queue_id}` for the mail server's name of the message (`NOQUEUE` before it has given one); `{contact}` and `{url}` for the keys below; " +
		"and `{code}` for a code such as `ABCD-EFGH`, by which `greyglass explain ABCD-EFGH` finds the decision. Where a reply has `{code}`, each line of the decision log has the key `code`, too.",
	Options: []Option{
		{
			Key:     "reply.contact",
			Default: "",
			Kind:    text{checkContact, "printable ASCII of at most 100 characters, or empty"},
			Comment: "Whom to ask about a refused message: the text for {contact} in replies.",
			Doc:     "Whom the sender of a refused message can ask, such as `postmaster@example.org` or a telephone number: the text for `{contact}`. Write a rule that accepts mail to this address, so that the question itself is not refused.",
		}, {
			Key:     "reply.url",
			Default: "",
			Kind:    text{checkURL, "an address that begins with `https://` or `http://`, of at most 200 characters, or empty"},
			Comment: "A page about refused messages: the text for {url} in replies.",
			Doc:     "A page that explains to the sender why the message was refused: the text for `{url}`. It may have placeholders itself, as in `https://example.org/greylisted?code={code}`.",
		},
	},
}

// Reply is what every reply can tell.
type Reply struct {
	Contact string `koanf:"contact"`
	URL     string `koanf:"url"`
}

const (
	contactPlaceholder = "{contact}"
	urlPlaceholder     = "{url}"
)

// placeholder is what might be meant to stand for something else in a reply.
var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// checkPlaceholders finds one that is not known. Those of the configuration are known
// in replies, and not in what stands for them.
func checkPlaceholders(s string, known ...string) error {
	known = append(known, greylist.WaitPlaceholder, greylist.QueueIDPlaceholder, greylist.CodePlaceholder)
	for _, p := range known {
		s = strings.ReplaceAll(s, p, "")
	}
	if unknown := placeholder.FindString(s); unknown != "" {
		last := len(known) - 1
		return problem.New("write "+strings.Join(known[:last], ", ")+" or "+known[last]+", or remove it", "%s stands for nothing here", unknown)
	}
	return nil
}

// replyText is an SMTP reply that goes with the verdict.
type replyText struct {
	text
	verdict greylist.Verdict
}

func reply(verdict greylist.Verdict) replyText {
	allowed := "an SMTP reply with a 4xx code, but not 421"
	if verdict == greylist.Deny {
		allowed = "an SMTP reply with a 5xx code"
	}
	check := func(s string) error {
		_, err := greylist.ParseReply(s, verdict)
		return errors.Join(err, checkPlaceholders(s, contactPlaceholder, urlPlaceholder))
	}
	return replyText{text{check, allowed}, verdict}
}

func checkContact(s string) error {
	const fix = "write an address such as postmaster@example.org"
	switch {
	case len(s) > 100:
		return problem.New(fix, "it is longer than 100 characters")
	case !isPrintable(s):
		return problem.New(fix, "it holds something other than printable ASCII")
	}
	return checkPlaceholders(s)
}

func checkURL(s string) error {
	const fix = "write an address such as https://example.org/greylisted"
	u, err := url.Parse(placeholder.ReplaceAllString(s, "x"))
	switch {
	case s == "":
		return nil
	case len(s) > 200:
		return problem.New(fix, "it is longer than 200 characters")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || !isPrintable(s) || strings.Contains(s, " "):
		return problem.New(fix, "not the address of a page")
	}
	return checkPlaceholders(s)
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// filled is a reply with what the configuration says in the place of its placeholders.
func (r Reply) filled(s string) string {
	return strings.NewReplacer(contactPlaceholder, r.Contact, urlPlaceholder, r.URL).Replace(s)
}

// check finds what is wrong with a reply, which is good by itself, once it is filled.
func (r Reply) check(s string, verdict greylist.Verdict) error {
	var errs []error
	for _, p := range []struct{ placeholder, key, value string }{
		{contactPlaceholder, "reply.contact", r.Contact}, {urlPlaceholder, "reply.url", r.URL},
	} {
		if p.value == "" && strings.Contains(s, p.placeholder) {
			errs = append(errs, problem.New("set "+p.key+", or remove "+p.placeholder, "%s stands for nothing, since %s is empty", p.placeholder, p.key))
		}
	}
	if errs == nil {
		if _, err := greylist.ParseReply(r.filled(s), verdict); err != nil {
			errs = append(errs, problem.New("shorten it, reply.contact or reply.url", "too long with reply.contact and reply.url in it"))
		}
	}
	return errors.Join(errs...)
}

// checkReplies finds what is wrong between the replies and what they tell.
func (m merged) checkReplies(problems *Problems) {
	if problems.about("reply.contact") || problems.about("reply.url") {
		return
	}
	for _, s := range Sections {
		for _, o := range s.Options {
			kind, ok := o.Kind.(replyText)
			if !ok || problems.about(o.Key) {
				continue
			}
			text := m.config.value(o.Key).(string)
			for _, err := range unjoin(m.config.Reply.check(text, kind.verdict)) {
				f := faultOf(whole, text, err)
				problems.add(Problem{m.origins[o.Key].String(), o.Key, quote(text), f.detail, f.fix})
			}
		}
	}
}
