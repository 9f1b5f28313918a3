package mx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// TestRoles: with the roles of contrib, the owner migrates, and the daemon's role
// does all that a daemon does, but cannot change the schema.
func TestRoles(t *testing.T) {
	lab.Require(t)
	db := lab.StartDatabase(t)
	text, err := os.ReadFile("../../contrib/postgres/roles.sql")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(lab.Dir(t), "roles.sql")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	db.Script("postgres", file)
	for _, role := range []string{"greyglass_owner", "greyglass"} {
		db.SQL("postgres", "ALTER ROLE "+role+" PASSWORD '"+password+"'")
	}
	owner := strings.Replace(urlOf(db), "greyglass@", "greyglass_owner@", 1)

	d := startDaemon(t, urlOf(db)) // which may not create the schema
	var s session
	defer s.close()
	ann := envelope{"203.0.113.7", "ann@sender.test", "bob@example.test"}
	if a, err := s.ask(d.policy(), newID(), ann); a != failed {
		t.Errorf("before the schema is there: %v, %v", a, err)
	}
	if out, err := d.command("list").CombinedOutput(); err == nil || !strings.Contains(string(out), "greyglass migrate") {
		t.Errorf("list: %v: %s", err, out)
	}
	for range 2 {
		if got := d.run("migrate", "--set", "store.url="+owner); !strings.Contains(got, "has version 6") {
			t.Errorf("migrate: %s", got)
		}
	}
	wait(t, "the daemon to find the schema", func() bool { return d.count("database works again") == 1 })
	if a, err := s.ask(d.policy(), newID(), ann); a != later {
		t.Errorf("%v, %v", a, err)
	}
	d.run("pass", ann.client, ann.sender, ann.recipient)
	if a, err := s.ask(d.policy(), newID(), ann); a != accept {
		t.Errorf("%v, %v", a, err)
	}
	for _, command := range [][]string{{"stats"}, {"expire"}, {"list"}, {"list", "--clients"}, {"forget", ann.client, ann.sender, ann.recipient}} {
		d.run(command...)
	}
	for _, statement := range []string{
		"DROP TABLE triplet", "ALTER TABLE triplet ADD COLUMN x integer", "CREATE TABLE x (x integer)", "TRUNCATE triplet",
	} {
		got := db.SQL("greyglass", fmt.Sprintf(`SET ROLE greyglass; DO $$ BEGIN %s; RAISE EXCEPTION 'done';
			EXCEPTION WHEN insufficient_privilege THEN NULL; END $$; SELECT 'refused'`, statement))
		if got != "refused" {
			t.Errorf("%s: %s", statement, got)
		}
	}
}
