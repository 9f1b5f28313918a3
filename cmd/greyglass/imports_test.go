package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The house's map: what each package may import of ours.
var mayImport = map[string][]string{
	"greyglass/greylist": nil,
	"greyglass/sqlstore": {"greyglass/greylist",
		"greyglass/sqlstore/backend", "greyglass/sqlstore/postgres", "greyglass/sqlstore/sqlite"},
	"greyglass/sqlstore/backend":              {"greyglass/greylist"},
	"greyglass/sqlstore/postgres":             {"greyglass/greylist", "greyglass/sqlstore/backend"},
	"greyglass/sqlstore/sqlite":               {"greyglass/greylist", "greyglass/sqlstore/backend"},
	"greyglass/milter":                        {"greyglass/greylist"},
	"greyglass/cmd/greyglass/internal/config": {"greyglass/greylist", "greyglass/milter", "greyglass/sqlstore"},
	"greyglass/cmd/greyglass/internal/doctor": {"greyglass/greylist", "greyglass/milter", "greyglass/sqlstore", "greyglass/sqlstore/sqlite",
		"greyglass/cmd/greyglass/internal/config"},
	"greyglass/cmd/greyglass/internal/manual": nil, // only for making the manual: nothing of the program imports it
	"greyglass/contrib/deb":                   nil,
	"greyglass/cmd/greyglass/internal/digest": {"greyglass/greylist"},
	"greyglass/cmd/greyglass/internal/watch":  {"greyglass/greylist", "greyglass/milter", "greyglass/sqlstore"},
	"greyglass/cmd/greyglass": {"greyglass/greylist", "greyglass/milter", "greyglass/sqlstore",
		"greyglass/cmd/greyglass/internal/config", "greyglass/cmd/greyglass/internal/doctor",
		"greyglass/cmd/greyglass/internal/digest", "greyglass/cmd/greyglass/internal/watch"},
}

// mustNotReach are parts of the standard library and of others that would bring
// SQL or a wire protocol into the domain.
var mustNotReach = map[string][]string{
	"greyglass/greylist":          {"database/sql", "modernc.org/sqlite", pgx, "github.com/d--j/go-milter", "net/http", "os", prometheus},
	"greyglass/milter":            {"database/sql", "modernc.org/sqlite", pgx, "net/http", prometheus},
	"greyglass/sqlstore/backend":  {"modernc.org/sqlite", pgx, "github.com/d--j/go-milter", "net/http", prometheus},
	"greyglass/sqlstore/postgres": {"modernc.org/sqlite", "github.com/d--j/go-milter", "net/http", prometheus},
	"greyglass/sqlstore/sqlite":   {pgx, "github.com/d--j/go-milter", "net/http", prometheus},
}

const (
	prometheus = "github.com/prometheus/client_golang/prometheus"
	pgx        = "github.com/jackc/pgx/v5"
)

func TestImportsFollowTheMap(t *testing.T) {
	for pkg, allowed := range mayImport {
		for _, imported := range goList(t, pkg) {
			if strings.HasPrefix(imported, "greyglass/") && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s, but may import only %v", pkg, imported, allowed)
			}
			if slices.Contains(mustNotReach[pkg], imported) {
				t.Errorf("%s imports %s, which is not its business", pkg, imported)
			}
		}
	}
	for _, pkg := range strings.Fields(run0(t, "go", "list", "greyglass/...")) {
		_, known := mayImport[pkg]
		if !known && !strings.HasPrefix(pkg, "greyglass/e2e") && pkg != "greyglass/sqlstore/storetest" {
			t.Errorf("package %s is not on the map", pkg)
		}
	}
}

func goList(t *testing.T, pkg string) []string {
	t.Helper()
	return strings.Fields(run0(t, "go", "list", "-f", `{{join .Imports "\n"}}`, pkg))
}

func run0(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}
