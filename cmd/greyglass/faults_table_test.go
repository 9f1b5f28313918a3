package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Each row of the table of faults names the test that holds it.
func TestFaultsNameTheirTests(t *testing.T) {
	table, err := os.ReadFile("../../contrib/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(table)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 7 || !strings.HasPrefix(strings.TrimSpace(cells[5]), "Test") {
			continue
		}
		rows++
		name := strings.TrimSpace(cells[5])
		if err := exec.Command("grep", "-rqF", "--include=*_test.go", "func "+name+"(", "../..").Run(); err != nil {
			t.Errorf("there is no %s, of the row %q", name, strings.TrimSpace(cells[1]))
		}
	}
	if rows < 16 {
		t.Errorf("only %d rows name a test", rows)
	}
}
