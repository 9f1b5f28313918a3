package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"greyglass/e2e/build"
)

// replay is a running 'greyglass replay'.
type replay struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startReplay starts the program with a configuration file and settings.
func startReplay(program, file string, settings []string) (*replay, error) {
	args := []string{"replay", "--config", file}
	for _, s := range append([]string{"blocked.senders_file=", "blocked.exceptions_file="}, settings...) {
		args = append(args, "--set", s)
	}
	r := &replay{cmd: exec.Command(program, args...)}
	r.cmd.Env, r.cmd.Stderr = build.Environ(), os.Stderr
	in, err := r.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.in, r.out = in, bufio.NewReader(out)
	return r, r.cmd.Start()
}

// line is an attempt as replay reads it.
type line struct {
	Time      int64    `json:"time"`
	Address   string   `json:"client_address"`
	Name      string   `json:"client_name,omitempty"`
	Helo      string   `json:"helo_name"`
	Sender    string   `json:"sender"`
	Recipient string   `json:"recipient"`
	SPF       string   `json:"spf"`
	Provider  string   `json:"spf_provider,omitempty"`
	DNSBL     []string `json:"dnsbl"`
	DNSWL     []string `json:"dnswl"`
}

// accepts implements [judge].
func (r *replay) accepts(a attempt) (bool, error) {
	l := line{Time: a.time, Address: a.client.addr.String(), Name: a.client.name, Helo: a.helo(), Sender: a.sender, Recipient: a.recipient,
		SPF: a.spf, Provider: a.provider, DNSBL: []string{}, DNSWL: []string{}}
	if a.from.listed {
		l.DNSBL = append(l.DNSBL, "zen.spamhaus.org")
	}
	if err := json.NewEncoder(r.in).Encode(l); err != nil {
		return false, err
	}
	text, err := r.out.ReadBytes('\n')
	if err != nil {
		return false, fmt.Errorf("greyglass replay: %w", err)
	}
	var answer struct{ Verdict string }
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, fmt.Errorf("greyglass replay answered %q: %w", text, err)
	}
	switch answer.Verdict {
	case "accept":
		return true, nil
	case "defer":
		return false, nil
	}
	return false, fmt.Errorf("greyglass replay answered %q", text)
}

func (r *replay) stop() error {
	_ = r.in.Close()
	return r.cmd.Wait()
}
