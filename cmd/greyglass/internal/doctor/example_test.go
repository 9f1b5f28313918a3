package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestExamples: the files that a fix names are there, both where the package is
// installed and where there are only the sources.
func TestExamples(t *testing.T) {
	const sources = "../../../.."
	names := []string{"exim/README.md", "exim/acl_greyglass.conf", "exim/data.conf", "exim/predata.conf", "exim/rcpt.conf",
		"postfix/milter.cf", "sendmail/greyglass.mc"}
	installed := make(map[string]string)
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(sources, "contrib", name)); err != nil {
			t.Error(err)
		}
		installed[filepath.Join(examples, name)] = ""
	}
	bad := strings.NewReplacer(
		"require message = relay not permitted\n    domains = +local_domains : +relay_to_domains\n", "",
		"acl = acl_greyglass DATA", "", "acl = acl_greyglass END-OF-MESSAGE", "",
		"{5s}{}{action=DUNNO}", "{5s}",
	).Replace(eximConfig)
	for _, c := range []struct {
		where, begin string
		files        map[string]string
	}{
		{"the package is installed", "/usr/share/doc/greyglass/examples/", installed},
		{"there are only the sources", "contrib/", nil},
	} {
		s := subject(t, c.files, map[string]string{
			"exim4 -bP config": bad,
			"exim4 -bP acl_smtp_rcpt acl_smtp_predata acl_smtp_data chunking_advertise_hosts exim_user": eximOptions,
		})
		var fixes string
		for _, f := range examine(t, s, checkExim) {
			fixes += f.Fix + "\n"
		}
		v := &exam{Subject: s, config: s.Loaded.Config}
		for _, server := range []string{"Postfix", "Sendmail", "Exim"} {
			fixes += v.attaching(server) + "\n"
		}
		named := regexp.MustCompile(`[a-z/]*/(?:postfix|sendmail|exim)/\w+\.\w+`).FindAllString(fixes, -1)
		slices.Sort(named)
		want := make([]string, len(names))
		for i, name := range names {
			want[i] = c.begin + name
		}
		if got := slices.Compact(named); !slices.Equal(got, want) {
			t.Errorf("where %s\n%q\nare named, want\n%q\nin\n%s", c.where, got, want, fixes)
		}
	}
}
