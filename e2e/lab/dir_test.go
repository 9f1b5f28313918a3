package lab

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// Every MTA reaches a socket in Dir that is open to the group mail only, as a
// daemon with socket_mode 0660 makes it.
func TestSocketOfTheMailGroup(t *testing.T) {
	each(t, allMTAs, func(t *testing.T, mta MTA) {
		socket := filepath.Join(Dir(t), "sock")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := os.Chown(socket, 0, mailGID); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(socket, 0o660); err != nil {
			t.Fatal(err)
		}
		came := make(chan bool, 10)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				came <- true
				c.Close()
			}
		}()
		o := Options{Milters: []string{"unix:" + socket}}
		if mta == Exim {
			o = Options{Snippet: "  warn set acl_m_x = ${readsocket{" + socket + "}{x}{5s}{}{failed}}\n"}
		}
		mx := Start(t, mta, o)
		c := Dial(t, "203.0.113.7", mx.Addr4)
		c.Ehlo("client.test")
		c.Mail("alice@sender.test")
		expect(t, "RCPT", c.Rcpt("bob@example.test"), 250, "")
		select {
		case <-came:
		default:
			t.Error("the MTA did not connect")
		}
	})
}

// A folder is kept for a look exactly when the test failed.
func TestRunFolderIsKeptAfterFailure(t *testing.T) {
	Require(t)
	for _, failed := range []bool{true, false} {
		dir, err := newRunFolder("dir")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		dropRunFolder(&fakeT{failed: failed}, dir)
		if _, err := os.Stat(dir); (err == nil) != failed {
			t.Errorf("test failed: %v; folder: %v", failed, err)
		}
	}
}
