package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The clock of a released program cannot be set from outside.
func TestNoClockHook(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(program, []byte("CHAOS_CLOCK")) {
		t.Error("the program asks for CHAOS_CLOCK")
	}
	files, err := exec.Command("go", "list", "-f", "{{.GoFiles}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(strings.Trim(strings.TrimSpace(string(files)), "[]"))
	if !slices.Contains(names, "clock_offset.go") || slices.Contains(names, "clock_offset_chaos.go") {
		t.Errorf("the program is built of %v", names)
	}
}
