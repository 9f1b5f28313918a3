package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"time"
)

// policyClient is Postfix's end of the policy protocol, by which it asks again
// and again on one connection (SMTPD_POLICY_README).
type policyClient struct {
	socket  string
	conn    net.Conn
	out, in []byte
}

func (p *policyClient) connect() (err error) {
	p.conn, err = net.Dial("unix", p.socket)
	p.in = make([]byte, 4096)
	return err
}

// attempt asks about a recipient.
func (p *policyClient) attempt(t triplet) (accepted bool, took time.Duration, err error) {
	p.out = fmt.Appendf(p.out[:0], "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"+
		"client_address=%s\nclient_name=unknown\nreverse_client_name=unknown\nhelo_name=mail7.example.net\n"+
		"sender=%s\nrecipient=%s\nrecipient_count=0\nqueue_id=\ninstance=\nsize=4711\netrn_domain=\nstress=\n"+
		"sasl_method=\nsasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\nccert_fingerprint=\n"+
		"encryption_protocol=\nencryption_cipher=\nencryption_keysize=0\n\n", t.client, t.sender, t.recipient)
	began := time.Now()
	if _, err := p.conn.Write(p.out); err != nil {
		return false, 0, err
	}
	have := 0
	for !bytes.HasSuffix(p.in[:have], []byte("\n\n")) {
		n, err := p.conn.Read(p.in[have:])
		if err != nil {
			return false, 0, err
		}
		have += n
	}
	took = time.Since(began)
	action, ok := bytes.CutPrefix(p.in[:have], []byte("action="))
	if !ok {
		return false, took, fmt.Errorf("answered by %q", p.in[:have])
	}
	for _, yes := range []string{"DUNNO", "dunno", "PREPEND"} {
		accepted = accepted || bytes.HasPrefix(action, []byte(yes))
	}
	return accepted, took, nil
}

func (p *policyClient) body() error      { return errors.New("there is no body here") }
func (p *policyClient) abort(bool) error { return nil }
func (p *policyClient) quit() error      { return p.conn.Close() }
