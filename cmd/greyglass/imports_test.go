package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport is the map of the code: what each package may import of ours. Names are
// those below greyglass/, and cmd/greyglass/internal is written as "internal".
var mayImport = map[string][]string{
	"greylist/problem": nil,
	"greylist/address": {"greylist/problem"},
	"greylist":         {"greylist/address", "greylist/problem"},
	"greylist/rules":   {"greylist", "greylist/address", "greylist/problem"},
	"greylist/clock":   {"greylist"},
	"greylist/timeout": nil,
	"greylist/judge":   {"greylist", "greylist/address", "greylist/rules", "greylist/clock", "greylist/timeout"},
	"greylist/upkeep":  {"greylist", "greylist/clock", "greylist/judge"},
	"sqlstore":         {"greylist", "greylist/problem", "sqlstore/backend", "sqlstore/postgres", "sqlstore/sqlite"},

	"milter/listen":   {"greylist/problem"},
	"milter/deferred": {"greylist", "greylist/judge"},
	"milter":          {"greylist", "greylist/address", "greylist/judge", "milter/deferred", "milter/listen"},
	"milter/policyd":  {"greylist", "greylist/judge", "milter/deferred", "milter/listen"},
	"milter/mtatest":  {"greylist", "greylist/address", "greylist/clock", "greylist/judge", "greylist/rules", "milter/listen", "sqlstore/storetest/faulty"}, // only for tests

	"sqlstore/backend":  {"greylist"},
	"sqlstore/memstore": {"greylist", "sqlstore/backend"},
	"sqlstore/postgres": {"greylist", "sqlstore/backend"},
	"sqlstore/sqlite":   {"greylist", "sqlstore/backend"},

	"sqlstore/storetest/faulty": {"greylist", "sqlstore/memstore"}, // only for tests

	"internal/config":      {"greylist", "greylist/problem", "greylist/address", "greylist/rules", "greylist/judge", "milter/listen", "sqlstore", "internal/lookup", "contrib", "contrib/profiles"},
	"internal/peerconfig":  {"greylist/address"},
	"internal/forecast":    {"greylist", "greylist/address", "greylist/clock", "greylist/judge", "greylist/rules", "internal/maillog", "internal/report", "internal/show", "sqlstore/memstore"},
	"internal/report":      {"greylist", "greylist/address", "internal/show"},
	"internal/show":        nil,
	"internal/decisionlog": {"greylist", "greylist/address"},
	"internal/doctor":      {"internal/report", "greylist", "greylist/problem", "greylist/address", "greylist/rules", "greylist/judge", "milter", "milter/listen", "milter/policyd", "sqlstore", "sqlstore/sqlite", "internal/config", "internal/lookup"},
	"internal/lookup":      {"internal/fingerprint", "greylist/address", "greylist/problem", "greylist/rules", "greylist/timeout"},
	"internal/importer":    {"greylist", "greylist/address"},
	"internal/maillog":     {"greylist/address"},
	"internal/manual":      nil, // only for making the manual: nothing of the program imports it
	"internal/transfer":    {"greylist"},
	"internal/fingerprint": nil,
	"internal/action":      {"greylist", "greylist/judge", "greylist/rules"},
	"internal/web":         {"internal/action", "internal/fingerprint", "greylist", "greylist/address", "greylist/judge", "internal/report", "internal/show", "internal/watch", "sqlstore"},
	"internal/watch":       {"greylist", "greylist/judge", "milter/listen", "sqlstore"},
	"cmd/greyglass": {"greylist", "greylist/problem", "greylist/address", "greylist/rules", "greylist/clock", "greylist/judge", "greylist/upkeep", "milter", "milter/listen", "milter/policyd", "sqlstore", "sqlstore/memstore",
		"internal/action", "internal/config", "internal/decisionlog", "internal/fingerprint", "internal/forecast", "internal/report", "internal/doctor", "internal/importer", "internal/maillog", "internal/peerconfig", "internal/show", "internal/transfer", "internal/watch", "internal/web"},

	"contrib":          nil,
	"contrib/pictures": {"greylist"},
	"contrib/package":  nil,
	"contrib/profiles": nil,
}

// mustNotReach are parts of the standard library and of others that would bring
// SQL, a wire protocol or the machine into the domain.
var mustNotReach = map[string][]string{
	"greylist":         append([]string{"log/slog", "net"}, outside...),
	"greylist/problem": append([]string{"log/slog", "net"}, outside...),
	"greylist/address": append([]string{"log/slog", "net"}, outside...),
	"greylist/rules":   append([]string{"log/slog", "net"}, outside...),
	"greylist/clock":   outside,
	"greylist/judge":   outside,
	"greylist/upkeep":  outside,

	"milter":         {database, sqlite, pgx, "net/http", prometheus},
	"milter/listen":  {database, sqlite, pgx, goMilter, "net/http", prometheus},
	"milter/policyd": {database, sqlite, pgx, goMilter, "net/http", prometheus},

	"sqlstore/backend":  {sqlite, pgx, goMilter, "net/http", prometheus},
	"sqlstore/postgres": {sqlite, goMilter, "net/http", prometheus},
	"sqlstore/sqlite":   {pgx, goMilter, "net/http", prometheus},
}

var outside = []string{database, sqlite, pgx, goMilter, "net/http", "os", prometheus}

const (
	database   = "database/sql"
	sqlite     = "modernc.org/sqlite"
	pgx        = "github.com/jackc/pgx/v5"
	goMilter   = "github.com/d--j/go-milter"
	prometheus = "github.com/prometheus/client_golang/prometheus"
)

func TestImportsFollowTheMap(t *testing.T) {
	const list = `{{.ImportPath}} {{join .Imports " "}}`
	for line := range strings.Lines(run0(t, "go", "list", "-f", list, "greyglass/...")) {
		imports := strings.Fields(line)
		pkg := onMap(imports[0])
		allowed, known := mayImport[pkg]
		if !known {
			if !strings.HasPrefix(pkg, "e2e") && pkg != "sqlstore/storetest" {
				t.Errorf("package %s is not on the map", pkg)
			}
			continue
		}
		for _, imported := range imports[1:] {
			if ours := onMap(imported); ours != imported && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, but may import only %v", pkg, ours, allowed)
			}
			if slices.Contains(mustNotReach[pkg], imported) {
				t.Errorf("%s imports %s, which is not its business", pkg, imported)
			}
		}
	}
}

// onMap is the name of a package of ours on the map; others keep theirs.
func onMap(path string) string {
	ours := strings.TrimPrefix(path, "greyglass/")
	return strings.Replace(ours, "cmd/greyglass/internal/", "internal/", 1)
}

func run0(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}
