package policyd

import (
	"bytes"
	"errors"
	"fmt"

	"greyglass/greylist"
	"greyglass/milter/listen"
)

// request has the attributes of a policy request that are used (Postfix's
// SMTPD_POLICY_README).
type request struct {
	kind          string // "smtpd_access_policy"
	state         string // the SMTP command: "RCPT", "DATA", "END-OF-MESSAGE", …
	clientAddress string
	hasClient     bool   // client_address was there, perhaps empty
	clientName    string // "unknown" if it is not forward-confirmed
	heloName      string
	sender        string
	recipient     string
	queueID       string
	instance      string // the same for all requests about one message
	saslUsername  string
	certSubject   string // of a verified client certificate
	probe         string // "yes" from 'greyglass doctor': in no statistics
}

var errRequest = errors.New("malformed request")

func badRequest(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errRequest, fmt.Sprintf(format, args...))
}

// parseRequest reads a request: lines of "name=value", up to an empty one. It ignores
// unknown attributes.
func parseRequest(text []byte, limits *listen.Limits) (r request, err error) {
	for n := 0; len(text) > 0; n++ {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte{'\n'})
		if line = bytes.TrimSuffix(line, []byte{'\r'}); len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte{'='})
		if !ok {
			return r, badRequest("a line without \"=\"; is this a policy client?")
		}
		if len(line) > limits.Line {
			return r, badRequest("a line of %d octets, at most %d are taken", len(line), limits.Line)
		}
		if n == limits.Attributes {
			return r, badRequest("more than %d attributes", limits.Attributes)
		}
		if field := r.field(string(name)); field != nil {
			*field = string(value)
		}
		r.hasClient = r.hasClient || string(name) == "client_address"
	}
	if r.kind == "" {
		return r, badRequest("no \"request\" attribute; is this a policy client?")
	}
	return r, nil
}

func (r *request) field(name string) *string {
	switch name {
	case "request":
		return &r.kind
	case "protocol_state":
		return &r.state
	case "client_address":
		return &r.clientAddress
	case "client_name":
		return &r.clientName
	case "helo_name":
		return &r.heloName
	case "sender":
		return &r.sender
	case "recipient":
		return &r.recipient
	case "queue_id":
		return &r.queueID
	case "instance":
		return &r.instance
	case "sasl_username":
		return &r.saslUsername
	case "ccert_subject":
		return &r.certSubject
	case "greyglass_probe":
		return &r.probe
	}
	return nil
}

// attempt makes the attempt of a request. An empty client address means mail that came
// by no network; the certificate's subject is empty unless the MTA has verified it.
func (r *request) attempt() greylist.Attempt {
	client := greylist.ParseClient(r.clientAddress)
	if r.hasClient && r.clientAddress == "" {
		client = greylist.LocalClient("")
	}
	name := r.clientName
	if name == "unknown" {
		name = ""
	}
	via := "policy"
	if r.probe == "yes" {
		via = greylist.ViaProbe
	}
	return greylist.Attempt{
		Client:        client,
		ClientName:    name,
		Helo:          r.heloName,
		Sender:        r.sender,
		Recipient:     r.recipient,
		Authenticated: r.saslUsername != "",
		VerifiedTLS:   r.certSubject != "",
		QueueID:       r.queueID,
		Via:           via,
	}
}
