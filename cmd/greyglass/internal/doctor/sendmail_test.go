package doctor

import (
	"os"
	"strings"
	"testing"
)

const sendmailCF = `# sendmail.cf
O DaemonPortOptions=Family=inet, Name=MTA-v4, Port=smtp
O DaemonPortOptions=Port=587, Name=MSA, M=E
O InputMailFilters=greyglass
#O RunAsUser=sendmail
Xgreyglass, S=unix:/run/greyglass/milter.sock, T=C:10s;S:10s;R:30s;E:1m
`

func TestSendmail(t *testing.T) {
	for _, c := range []struct {
		name   string
		oldnew []string
		want   []string
		right  []string
	}{
		{name: "as shipped", right: []string{"asks Greyglass as a milter (greyglass, unix:/run/greyglass/milter.sock)", "may open /run/greyglass/milter.sock (as user root)", "mail goes on"}},
		{name: "inet", oldnew: []string{"unix:/run/greyglass/milter.sock", "inet:8895@localhost"}, right: []string{"asks Greyglass as a milter"}},
		{name: "not attached", oldnew: []string{"milter.sock", "other.sock"}, right: []string{"does not ask Greyglass"}},
		{name: "defined only", oldnew: []string{"InputMailFilters=greyglass", "InputMailFilters=other"}, want: []string{"wrong: knows Greyglass (greyglass, unix:/run/greyglass/milter.sock), but does not ask it"}},
		{name: "F=T", oldnew: []string{", T=", ", F=T, T="}, want: []string{"wrong: mail is held up or refused when Greyglass is down (F=T)"}},
		{name: "F=R, on a line that goes on", oldnew: []string{", T=", ",\n\tF=R, T="}, want: []string{"wrong: mail is held up or refused when Greyglass is down (F=R)"}},
		{name: "F=4", oldnew: []string{", T=", ", F=4, T="}, want: []string{"wrong: mail is held up"}},
		{name: "behind another", oldnew: []string{"InputMailFilters=greyglass", "InputMailFilters=dkim, greyglass"}, want: []string{"warn: asks 1 other milter(s) before Greyglass (dkim)"}},
		{name: "before another", oldnew: []string{"InputMailFilters=greyglass", "InputMailFilters=greyglass; dkim"}, right: []string{"before other milters"}},
		{name: "a daemon with filters of its own", oldnew: []string{"Port=smtp", "Port=smtp, InputMailFilters=dkim"}, want: []string{"wrong: the daemon MTA-v4 (port smtp) asks other filters only"}},
		{name: "impatient", oldnew: []string{"R:30s", "R:1s"}, want: []string{"warn: waits 1s for an answer"}},
		{name: "a user of its own", oldnew: []string{"#O RunAsUser=sendmail", "O RunAsUser=smmta:smmta"}, right: []string{"as user smmta"}},
		{name: "an unknown user", oldnew: []string{"#O RunAsUser", "O RunAsUser"}, want: []string{"warn: it works as user sendmail, who is not in /etc/passwd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subject(t, map[string]string{sendmailFile: strings.NewReplacer(c.oldnew...).Replace(sendmailCF)}, nil)
			got := examine(t, s, checkSendmail)
			wantProblems(t, got, c.want...)
			wantOK(t, got, c.right...)
		})
	}
}

func TestSendmailThatCannotBeRead(t *testing.T) {
	s := subject(t, map[string]string{"/in/sendmail.cf": sendmailCF}, nil)
	wantOK(t, examine(t, s, checkSendmail), "not installed")
	s.SendmailCF = "/in/sendmail.cf"
	wantOK(t, examine(t, s, checkSendmail), "asks Greyglass as a milter")
	s.SendmailCF = "/out/sendmail.cf"
	wantProblems(t, examine(t, s, checkSendmail), "wrong: its configuration cannot be read")
}

func TestSendmailWantsFoldersOfOneUser(t *testing.T) {
	s := subject(t, map[string]string{sendmailFile: sendmailCF}, nil)
	folder := s.Machine.path("/run/greyglass")
	for _, c := range []struct {
		mode os.FileMode
		want []string
	}{
		{0o755, nil},
		{0o775, []string{"warn: may refuse the socket, because a group may write to the folder /run/greyglass"}},
		{0o777, []string{"wrong: takes no socket below /run/greyglass"}},
		{0o777 | os.ModeSticky, []string{"wrong: takes no socket below /run/greyglass"}},
	} {
		if err := os.Chmod(folder, c.mode); err != nil {
			t.Fatal(err)
		}
		wantProblems(t, examine(t, s, checkSendmail), c.want...)
	}
}
