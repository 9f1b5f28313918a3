package main

import (
	"path/filepath"
	"strings"
	"testing"

	"greyglass/contrib/pictures"
	"greyglass/greylist"
)

// TestPictures holds the committed pictures to what they show.
func TestPictures(t *testing.T) {
	decision, err := pictures.Decision(greylist.DefaultWindows)
	if err != nil {
		t.Fatal(err)
	}
	generated(t, filepath.Join("pictures", "decision.svg"), decision)
	for _, reason := range reasons(t) {
		if !strings.Contains(string(decision), reason) {
			t.Errorf("the picture of a decision does not have the reason %s", reason)
		}
	}
}
