package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"greyglass/e2e/lab"
)

// postgrey is a running postgrey, with Debian's defaults, whose time is that of the
// attempts, by libfaketime.
type postgrey struct {
	cmd   *exec.Cmd
	clock *os.File // that libfaketime reads, each time that postgrey asks for the time
	now   int64
	conn  net.Conn
	out   *bufio.Reader
}

// faketime is the library, in the private root of postgrey's packages.
const faketime = "usr/lib/*/faketime/libfaketime.so.1"

// preparePostgrey fetches the packages, and returns the version.
func preparePostgrey(*simulation) (string, error) {
	if err := lab.Prepare(lab.Postgrey); err != nil {
		return "", err
	}
	version, err := lab.Script(lab.Postgrey, postgreyProgram, "--version").Output()
	return strings.TrimSpace(string(version)) + ", from its Debian package", err
}

const postgreyProgram = "usr/sbin/postgrey"

// startPostgrey starts it with an empty database.
func startPostgrey(s *simulation) (stoppable, error) {
	library, _ := filepath.Glob(lab.File(lab.Postgrey, faketime))
	if len(library) != 1 {
		return nil, fmt.Errorf("found %v of libfaketime", library)
	}
	dir, err := os.MkdirTemp(s.dir, "postgrey-")
	if err != nil {
		return nil, err
	}
	p := &postgrey{}
	if p.clock, err = os.Create(filepath.Join(dir, "clock")); err != nil {
		return nil, err
	}
	if err := p.setClock(start); err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "sock")
	p.cmd = lab.Script(lab.Postgrey, postgreyProgram, "--unix="+socket, "--dbdir="+dir, "--user=root", "--group=root", "--quiet",
		"--whitelist-clients="+lab.File(lab.Postgrey, "usr/share/postgrey/whitelist_clients"),
		"--whitelist-recipients="+lab.File(lab.Postgrey, "usr/share/postgrey/whitelist_recipients"))
	p.cmd.Env = append(p.cmd.Env, "TZ=UTC", "LD_PRELOAD="+library[0], "FAKETIME_NO_CACHE=1", "FAKETIME_TIMESTAMP_FILE="+p.clock.Name())
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if p.conn, err = net.Dial("unix", socket); err == nil {
			p.out = bufio.NewReader(p.conn)
			return p, nil
		}
		if time.Since(began) > 30*time.Second {
			text, _ := os.ReadFile(log.Name())
			return nil, errors.Join(fmt.Errorf("postgrey does not answer: %w\n%s", err, text), p.stop())
		}
	}
}

// setClock sets the time that postgrey sees.
func (p *postgrey) setClock(now int64) error {
	if now == p.now {
		return nil
	}
	p.now = now
	_, err := p.clock.WriteAt([]byte(time.Unix(now, 0).UTC().Format("2006-01-02 15:04:05\n")), 0)
	return err
}

// accepts implements [judge].
func (p *postgrey) accepts(a attempt) (bool, error) {
	if err := p.setClock(a.time); err != nil {
		return false, err
	}
	name := a.client.name
	if name == "" {
		name = "unknown"
	}
	_, err := fmt.Fprintf(p.conn, "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=%s\nclient_name=%s\n"+
		"reverse_client_name=%[2]s\nhelo_name=%s\nsender=%s\nrecipient=%s\nrecipient_count=0\ninstance=%x\nsize=4711\netrn_domain=\n\n",
		a.client.addr, name, a.helo(), a.sender, a.recipient, a.seed)
	if err != nil {
		return false, err
	}
	answer, err := p.out.ReadString('\n')
	if err == nil {
		_, err = p.out.ReadString('\n') // an empty line
	}
	if err != nil {
		return false, fmt.Errorf("postgrey: %w", err)
	}
	action, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(answer, "action=")), " ")
	switch action {
	case "DUNNO", "PREPEND":
		return true, nil
	case "DEFER_IF_PERMIT":
		return false, nil
	}
	return false, fmt.Errorf("postgrey answered %q", answer)
}

func (p *postgrey) stop() error {
	var err error
	for _, c := range []io.Closer{p.conn, p.clock} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	return err
}
