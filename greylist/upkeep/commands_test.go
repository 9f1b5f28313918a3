package upkeep

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest/faulty"
)

// TestLogCommands: who did what is logged once; of a private log, without addresses.
func TestLogCommands(t *testing.T) {
	for _, c := range []struct {
		private bool
		want    string
	}{
		{false, `level=INFO msg=admin uid=0 user=root sudo_user=ann host=mx1 command="pass 192.0.2.1 a@x \"o'b\"@y" at=1970-01-01T00:01:40Z
level=INFO msg=admin uid=33 user="" host=mx1 command="forget --domain x" at=1970-01-01T00:01:41Z
`},
		{true, `level=INFO msg=admin uid=0 user=root sudo_user=ann host=mx1 command=pass at=1970-01-01T00:01:40Z
level=INFO msg=admin uid=33 user="" host=mx1 command=forget at=1970-01-01T00:01:41Z
`},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := faulty.New()
			var out bytes.Buffer
			ctx, end := context.WithCancel(t.Context())
			defer end()
			go LogCommands(ctx, s, slog.New(slog.NewTextHandler(&out, nil)), func() bool { return c.private })
			record := func(c greylist.Command) {
				if err := s.RecordCommand(ctx, c); err != nil {
					t.Fatal(err)
				}
			}
			record(greylist.Command{At: 100, Host: "mx1", User: "root", Sudo: "ann", Words: `pass 192.0.2.1 a@x "o'b"@y`})
			time.Sleep(3 * commandsEvery)
			s.Fail(errors.New("disk full"))
			record(greylist.Command{At: 101, Host: "mx1", UID: 33, Words: "forget --domain x"})
			time.Sleep(3 * commandsEvery)
			s.Fail(nil)
			time.Sleep(3 * commandsEvery)
			end()
			synctest.Wait()
			got := regexp.MustCompile(`(?m)^time=\S+ `).ReplaceAllString(out.String(), "")
			failed := "level=WARN msg=\"" + eventCommandsFailed + "\" error=\"disk full\"\n"
			if strings.Replace(got, failed, "", 1) != c.want || !strings.Contains(got, failed) {
				t.Errorf("private %v: logged\n%s", c.private, got)
			}
		})
	}
}
