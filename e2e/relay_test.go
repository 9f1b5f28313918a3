package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// own is a client of the site's own network, through which it sends to others.
const (
	own    = "192.0.2.25"
	ownNet = "192.0.2.0/24"
	ownIn  = `allowed_sender_nets = ["` + ownNet + `"]`
)

// A client of the site's own network sends to a foreign domain. Where the mail
// server asks about it, Greyglass must know the network, or such mail waits; and
// an application that does not retry loses it.
func TestOwnClientsRelay(t *testing.T) {
	lab.Require(t)
	asked := attached{"postfix-milter", "sendmail-milter", "exim-policy"}
	onlyOurs := `allowed_domains = ["example.test"]`
	for _, c := range []struct {
		name   string
		on     attached
		rules  string
		change func(t *testing.T, o *lab.Options)
		want   string // the reason; "": not asked
	}{
		{name: "Greyglass does not know the network", on: asked, want: "not-seen-before"},
		{name: "nor the domain", on: asked, rules: onlyOurs, want: "foreign-domain"},
		{name: "it knows the network, but not the domain", on: asked, rules: ownIn + "\n" + onlyOurs, want: "allowed-client"},
		{name: "Postfix permits its networks before it asks", on: attached{"postfix-policy"}},
		{name: "Postfix asks no milter about its networks", on: attached{"postfix-milter"},
			change: func(t *testing.T, o *lab.Options) { o.Snippet += line(t, "postfix/README.md", "smtpd_milter_maps =") }},
		{name: "Exim accepts its networks before it asks, as Debian's does", on: attached{"exim-policy"},
			change: func(_ *testing.T, o *lab.Options) { o.EximFirst = "  accept\n    hosts = +relay_from_hosts\n" }},
	} {
		for _, a := range attachments {
			if !c.on.has(a.name) {
				continue
			}
			t.Run(c.name+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				if c.change != nil {
					attach := a.attach
					a.attach = func(t *testing.T, d *daemon, o *lab.Options) { attach(t, d, o); c.change(t, o) }
				}
				s := startSite(t, a, conf{rules: c.rules}, lab.Options{RelayFrom: []string{ownNet}})
				const far = "dave@far.test"
				got := s.try(own, "app@example.test", far)
				if waits := c.want == "not-seen-before" || c.want == "foreign-domain"; waits != (got.Code == 451) || waits == got.OK() {
					t.Errorf("own client: %s", got)
				}
				if c.want != "" {
					if reason := s.reasons(far, 1); reason != c.want {
						t.Errorf("reason: got %q, want %q", reason, c.want)
					}
				} else if s.accepted("a bounce of an own client", s.try(own, "", far)); len(s.decisions("")) > 0 {
					t.Errorf("asked about it:\n%s", s.text())
				}
				if c.want == "not-seen-before" {
					s.configure(conf{rules: s.lineOfDoctor()})
					s.reload()
					s.accepted("own client, with the line that doctor prints", s.try(own, "app@example.test", far))
					if findings, status := s.diagnose(); status != 0 {
						t.Errorf("doctor finds %v", findings)
					}
				}
				// Others still wait.
				s.deferred("a client from outside", s.try(unknown, "ann@sender.test", bob))
			})
		}
	}
}

// lineOfDoctor returns the line that doctor has the administrator write.
func (s *site) lineOfDoctor() string {
	s.t.Helper()
	findings, _ := s.diagnose()
	for _, f := range findings {
		if _, line, ok := strings.Cut(f.Fix, "write 'allowed_sender_nets"); ok {
			line, _, _ = strings.Cut(line, "'")
			return "allowed_sender_nets" + line
		}
	}
	s.t.Fatalf("doctor prints no line, but %v", findings)
	return ""
}

// line returns the line of a file of contrib that begins so, with its end.
func line(t *testing.T, file, begin string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "contrib", file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
	t.Fatalf("contrib/%s has no line %q", file, begin)
	return ""
}
