package main

import (
	"fmt"
	"slices"
	"strings"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
)

// checkReason checks the value of --reason, empty for any. Where rules are taken too, any
// "rule:NAME" may be one.
func checkReason(value string, known []greylist.Reason, rules bool) error {
	if value == "" || slices.Contains(known, greylist.Reason(value)) || rules && strings.HasPrefix(value, "rule:") {
		return nil
	}
	var names []string
	for _, reason := range known {
		names = append(names, string(reason))
	}
	if near, ok := config.Nearest(value, names); ok {
		return fmt.Errorf("--reason %q is none; did you mean %s?", value, near)
	}
	if rules {
		names = append(names, "rule:NAME")
	}
	return fmt.Errorf("--reason %q is none; they are %s", value, strings.Join(names, ", "))
}
