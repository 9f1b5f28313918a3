package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// The session without delivery of contrib/exim's page shows what an unknown client is
// answered.
func TestEximPage(t *testing.T) {
	lab.Require(t)
	page, err := os.ReadFile("../contrib/exim/README.md")
	if err != nil {
		t.Fatal(err)
	}
	arguments := regexp.MustCompile(`(?m)^exim4 (-bh [\d.]+)`).FindStringSubmatch(string(page))
	if arguments == nil {
		t.Fatal("the page does not have the command")
	}
	i := slices.IndexFunc(attachments, func(a attachment) bool { return a.mta == lab.Exim })
	s := startSite(t, attachments[i], conf{greylist: slow}, lab.Options{})
	cmd := exec.Command("sh", "-c", fmt.Sprintf("exim4 -C %s %s", filepath.Join(s.mx.Conf(), "exim.conf"), arguments[1]))
	cmd.Stdin = strings.NewReader("EHLO mx.sender.test\r\nMAIL FROM:<ann@sender.test>\r\nRCPT TO:<" + bob + ">\r\nQUIT\r\n")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := s.mx.Run(cmd); err != nil || !strings.Contains(said.String(), "451 4.7.1 Greylisted") {
		t.Errorf("%v: %s", err, said.String())
	}
}
