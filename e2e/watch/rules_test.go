package watch

import (
	"testing"

	"greyglass/e2e/lab"
)

const (
	rules     = "../../contrib/prometheus/greyglass.rules.yml"
	rulesTest = "../../contrib/prometheus/greyglass.rules.test.yml"
	dashboard = "../../contrib/grafana/greyglass.json"
)

// promtool runs Prometheus' own checker, which must be content.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := lab.Command(lab.Prometheus, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

// TestRules: the alerts fire when they must, and not before.
func TestRules(t *testing.T) {
	lab.Require(t)
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", rules)
	promtool(t, "test", "rules", rulesTest)
}
