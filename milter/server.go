package milter

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/d--j/go-milter"

	"greyglass/greylist/judge"
	"greyglass/milter/deferred"
	"greyglass/milter/listen"
)

// Server serves the milter protocol, versions 2 to 6.
type Server struct {
	limiter *listen.Limiter
	server  *milter.Server
	cancel  context.CancelFunc // of the sessions' context
}

// NewServer makes a server.
func NewServer(judge *judge.Judge, limiter *listen.Limiter, log *slog.Logger) *Server {
	adoptLibraryLog(log)
	ctx, cancel := context.WithCancel(context.Background())
	replies, room := newReplies(), new(deferred.Room)
	options := []milter.Option{
		milter.WithNegotiationCallback(negotiation(judge)),
		milter.WithMilter(func() milter.Milter {
			return &session{ctx: ctx, judge: judge, log: log, replies: replies, limiter: limiter, room: room}
		}),
	}
	for stage, macros := range macrosRead {
		options = append(options, milter.WithMacroRequest(stage, macros))
	}
	return &Server{limiter: limiter, server: milter.NewServer(options...), cancel: cancel}
}

// skipSteps are the steps that the MTA need not send, and the commands whose reply it need
// not wait for, because that is always "continue".
const skipSteps = milter.OptNoBody | milter.OptNoHeaders | milter.OptNoEOH | milter.OptNoUnknown |
	milter.OptNoConnReply | milter.OptNoHeloReply | milter.OptNoMailReply

// headerSteps are the steps of [skipSteps] that adding a header field needs all the same,
// headerActions the actions that it takes.
const (
	headerSteps   = milter.OptNoHeaders
	headerActions = milter.OptAddHeader | milter.OptChangeHeader
)

// negotiation asks only for what the MTA offers, so that old MTAs are served, too.
func negotiation(judge *judge.Judge) milter.NegotiationCallbackFunc {
	return func(mtaVersion, _ uint32, mtaActions, _ milter.OptAction, mtaProtocol, _ milter.OptProtocol, _ milter.DataSize) (uint32, milter.OptAction, milter.OptProtocol, milter.DataSize, error) {
		if mtaVersion < 2 {
			return 0, 0, 0, 0, fmt.Errorf("protocol version %d of the MTA is too old, version 2 is needed", mtaVersion)
		}
		version := min(mtaVersion, milter.MaxServerProtocolVersion)
		actions, steps := milter.OptSetMacros, skipSteps
		if p := judge.Policy(); p != nil && p.Header { // a panic here would end the process
			actions |= headerActions
			steps = steps&^headerSteps | milter.OptNoHeaderReply
		}
		return version, mtaActions & actions, mtaProtocol & steps, milter.DataSize64K, nil
	}
}

// Serve accepts connections until the server is shut down, and then returns nil. It may
// be called for several listeners at the same time, and closes them.
func (s *Server) Serve(l net.Listener) error {
	return s.limiter.Serve(l, func(l *listen.Listener) error { return s.server.Serve(frameListener{l}) })
}

// Shutdown ends the server as [listen.Limiter.Shutdown] says. The library's server is
// closed last, because it then closes connections that were just accepted, and those
// that begin another SMTP session.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) error {
	defer s.server.Close()
	defer s.cancel()
	return s.limiter.Shutdown(ctx, grace)
}

var libraryLog sync.Once

// adoptLibraryLog sends the library's warnings to the log at level debug. They are of
// use to developers only. The library has one log for all servers.
func adoptLibraryLog(log *slog.Logger) {
	libraryLog.Do(func() {
		milter.LogWarning = func(format string, v ...any) {
			log.Debug(eventLibrary, "message", fmt.Sprintf(format, v...))
		}
	})
}
