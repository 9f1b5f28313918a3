package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		url, want string // want is a part of the error, empty if there is none
	}{
		{"sqlite:/var/lib/greyglass/greyglass.db", ""},
		{"sqlite:relative.db", ""},
		{"sqlite:///var/lib/x.db", ""},
		{"sqlite:", "names no file"},
		{"", "names no database"},
		{"/var/lib/greyglass.db", "names no database"},
		{"mysql://x", `unknown kind of database "mysql"`},
		{"sqlite:a\x00b", "NUL"},
		{"postgres://user@host/db", ""},
		{"postgresql:///db", ""},
		{"postgres://user@one,two:5433/db?target_session_attrs=read-write", ""},
		{"postgres://user:secret@host:x/db", "invalid port"},
		{"postgres://user:sec%ret@host/db", "percent-encoded"},
		{"postgres://user:sec:ret@host/db?sslmode=maybe", "sslmode"},
		{"postgres://user:two secret@host/db", "percent-encoded"},
		{"postgres://us er:secret@ho st/db", "not a PostgreSQL URL"},
		{"postgres://user:secret@[::1/db", "not a PostgreSQL URL"},
		{"postgres://user:secret@host:1,host:x/db", "invalid port"},
		{"postgres://user:secret@host/db?sslrootcert=/missing", "/missing"},
		{"postgres://user@host/db?target_session_attrs=secret", "target_session_attrs"},
	} {
		err := Check(test.url)
		if (err == nil) != (test.want == "") || !strings.Contains(fmt.Sprint(err), test.want) && err != nil {
			t.Errorf("%q: %v, want %q", test.url, err, test.want)
		}
		if strings.Contains(fmt.Sprint(err), "ecret@") || strings.Contains(fmt.Sprint(err), "\n") {
			t.Errorf("the error quotes the password: %v", err)
		}
	}
}

func TestMigrateSQLite(t *testing.T) {
	if _, err := Migrate(t.Context(), "sqlite:greyglass.db", Options{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("%v, want %v", err, ErrUnsupported)
	}
}
