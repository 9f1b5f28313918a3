// Noop is a milter that decides nothing, as plain as the protocol library lets one
// be: what a filter costs that does no work. It reads CONNECT, HELO, MAIL and
// RCPT, answers each as the library does by default, but RCPT with a deferral like
// the greylist's, and asks for no DATA, headers or body.
package main

import (
	"flag"
	"log"
	"net"

	"github.com/d--j/go-milter"
)

type filter struct {
	milter.NoOpMilter
	rcpt *milter.Response
}

func (f filter) RcptTo(string, string, milter.Modifier) (*milter.Response, error) { return f.rcpt, nil }

func main() {
	socket := flag.String("socket", "", "path of the unix socket to listen on")
	accept := flag.Bool("accept", false, "accept every recipient")
	flag.Parse()
	rcpt, err := milter.RejectWithCodeAndReason(451, "4.7.1 Greylisted, please try again in 1 hour")
	if err != nil {
		log.Fatal(err)
	}
	if *accept {
		rcpt = milter.RespContinue
	}
	l, err := net.Listen("unix", *socket)
	if err != nil {
		log.Fatal(err)
	}
	server := milter.NewServer(
		milter.WithMilter(func() milter.Milter { return filter{rcpt: rcpt} }),
		milter.WithProtocol(milter.OptNoData|milter.OptNoHeaders|milter.OptNoEOH|milter.OptNoBody|milter.OptNoUnknown),
	)
	log.Fatal(server.Serve(l))
}
