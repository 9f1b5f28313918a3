package watch

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// metricsPage is the page that tells people what there is.
const metricsPage = "../../contrib/watching.md"

// TestSeries: what the real program serves is as Prometheus wants it, is what the
// page says, and has all that the alert rules and the dashboard ask for.
func TestSeries(t *testing.T) {
	lab.Require(t)
	web, socket := startDaemon(t)
	attempt(t, socket)

	served := fetch(t, "http://"+web+"/metrics")
	check := lab.Command(lab.Prometheus, "check", "metrics")
	check.Stdin = strings.NewReader(served)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (greyglass_\S+)`).FindAllStringSubmatch(served, -1) {
		names = append(names, match[1])
	}
	var told []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(greyglass_[a-z_]+)").FindAllStringSubmatch(read(t, metricsPage), -1) {
		told = append(told, match[1])
	}
	slices.Sort(told)
	if len(names) < 20 || !slices.Equal(names, told) {
		t.Errorf("served, and told of by %s:\n%q\n%q", metricsPage, names, told)
	}

	prometheus := startPrometheus(t, web)
	asked := 0
	for _, expr := range alertExpressions(t) {
		if _, err := prometheus.query(expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
		for _, selector := range selectors(expr) {
			asked++
			if found, err := prometheus.query(selector); err != nil || found == 0 {
				t.Errorf("alert: no series %s (%v), of %s", selector, err, expr)
			}
		}
	}
	panels := dashboardExpressions(t)
	for _, expr := range panels {
		asked++
		if found, err := prometheus.query(expr); err != nil || found == 0 {
			t.Errorf("dashboard: no series (%v) for %s", err, expr)
		}
	}
	if asked < 40 {
		t.Errorf("only %d expressions were found", asked)
	}

	// The check itself: of what is not there it finds nothing.
	if found, err := prometheus.query(`greyglass_sessions_open{via="pigeon"}`); err != nil || found != 0 {
		t.Errorf("%d series of what is not there, %v", found, err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// alertExpressions are those of the alert rules.
func alertExpressions(t *testing.T) (all []string) {
	t.Helper()
	for _, match := range regexp.MustCompile(`(?m)^ +expr: (.+)$`).FindAllStringSubmatch(read(t, rules), -1) {
		all = append(all, match[1])
	}
	if n := strings.Count(read(t, rules), "- alert:"); n != len(all) {
		t.Fatalf("%d alerts, %d expressions", n, len(all))
	}
	return all
}

// dashboardExpressions are those of the dashboard's panels, as Grafana asks them.
func dashboardExpressions(t *testing.T) (all []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboard)), &board); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$instance", ".+", "$__rate_interval", "1m", "$__range", "1h")
	for _, panel := range board.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			expr := variables.Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("panel %q: an unset variable in %s", panel.Title, target.Expr)
			}
			all = append(all, expr)
		}
	}
	return all
}

// selector is a metric in an expression, with its labels.
var selector = regexp.MustCompile(`\b(?:greyglass_[a-z_]+|up)\b(?:\{[^}]*\})?`)

func selectors(expr string) []string { return selector.FindAllString(expr, -1) }
