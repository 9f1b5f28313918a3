package watch

import (
	"encoding/json"
	"net/http"
	"os"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore"
)

// Status is what 'greyglass status' shows. Times are Unix seconds; null is what is not
// known, or has not happened.
type Status struct {
	State   string `json:"state"` // see the constants
	Version string `json:"version,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Started *int64 `json:"started"`
	Mode    string `json:"mode"`
	Profile string `json:"profile"`

	Listening   []string         `json:"listening"`
	Connections map[string]int64 `json:"connections"` // by front end
	Recent      *Counts          `json:"recent"`      // of the last minutes
	Database    Database         `json:"database"`
	Swept       *int64           `json:"swept"` // when the last sweep of expiry ended
	LogLost     int64            `json:"log_lines_dropped"`
	ClockAhead  float64          `json:"clock_ahead_seconds"` // of the database server's

	Configuration *FileStatus  `json:"configuration"`
	Lists         []FileStatus `json:"lists"`
}

// States of a daemon.
const (
	Starting   = "starting"
	Ready      = "ready"
	Stopping   = "stopping"
	Answers    = "answers" // it does, but not about itself
	NotRunning = "not running"
)

// Counts counts the recipients that were judged in a time.
type Counts struct {
	Seconds  int64 `json:"seconds"` // its length
	Judged   int64 `json:"judged"`
	Accepted int64 `json:"accepted"`
	Deferred int64 `json:"deferred"`
	Denied   int64 `json:"denied"`
	Errors   int64 `json:"errors"` // of all these, answered by store.on_error

	// Half of the answers, and 99 % of them, took no more seconds than these.
	Median *float64 `json:"answer_seconds_median"`
	P99    *float64 `json:"answer_seconds_p99"`
}

// Database is the state of the database.
type Database struct {
	Store       string `json:"store"`
	Failing     bool   `json:"failing"`
	FailingOpen bool   `json:"failing_open"` // and so accepts all mail
	Since       *int64 `json:"failing_since"`
	Cause       string `json:"cause,omitempty"`

	Bytes    *int64 `json:"bytes"`
	LogBytes *int64 `json:"log_bytes"` // of the -wal file, in addition
	Triplets *int64 `json:"triplets"`
	Waiting  *int64 `json:"waiting"`  // all others
	Passed   *int64 `json:"passed"`   // at the last count of the metrics
	MaxRows  int64  `json:"max_rows"` // zero: any number

	// Changes that wait for the next transaction; half and 99 % of the last minutes'
	// transactions took no more seconds than these until they were durable.
	Queued       int      `json:"queued"`
	CommitMedian *float64 `json:"commit_seconds_median"`
	CommitP99    *float64 `json:"commit_seconds_p99"`
}

// FileStatus is the state of a file that is reloaded.
type FileStatus struct {
	Name     string `json:"name"`
	Entries  int    `json:"entries"` // of a list
	Read     int64  `json:"read_at"`
	Modified *int64 `json:"modified"`
	Stale    bool   `json:"stale"` // the last reading failed, and the previous content is in use
}

// Status returns the status of the server's daemon.
func (s *Server) Status() Status {
	d := s.daemon.Load()
	status := Status{State: Starting}
	if d != nil {
		status = d.status()
	}
	if s.stopping.Load() {
		status.State = Stopping
	}
	status.Version, status.PID = s.version, os.Getpid()
	return status
}

// StatusJSON is Status in one line.
func (s *Server) StatusJSON() []byte {
	text, err := json.Marshal(s.Status())
	if err != nil {
		panic(err) // all its types can be encoded
	}
	return text
}

func (s *Server) answerStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(s.StatusJSON(), '\n'))
}

func (d *Daemon) status() Status {
	now := d.sample()
	counted, since := d.Recent.since(now)
	status := Status{
		State: Ready, Started: seconds(d.Started), Mode: "enforce", Profile: d.Profile(),
		Listening: d.Listening, Connections: make(map[string]int64),
		Recent: countsOf(counted, since), Database: d.database(counted),
		Swept: known(d.Upkeep.Swept()), LogLost: d.LogLost(), Lists: []FileStatus{},
	}
	if d.Judge.Policy().Observe {
		status.Mode = "observe"
	}
	for _, l := range d.Limiters {
		status.Connections[l.Via()] = l.Counters().Open
	}
	ahead, _ := sqlstore.ClockAhead(d.Store)
	status.ClockAhead = ahead.Seconds()
	for _, f := range d.Files.All() {
		file := FileStatus{Name: f.Name, Entries: f.Entries, Read: f.Read.Unix(), Modified: seconds(f.Modified), Stale: f.Stale}
		if f.Name == Configuration {
			status.Configuration = &file
		} else {
			status.Lists = append(status.Lists, file)
		}
	}
	return status
}

func countsOf(s sample, of time.Duration) *Counts {
	c := &Counts{Seconds: int64(of.Round(time.Second).Seconds()), Median: within(s.took, 0.5), P99: within(s.took, 0.99)}
	for kind, n := range s.answers {
		c.Judged += n
		switch kind.Verdict {
		case greylist.Accept:
			c.Accepted += n
		case greylist.Defer:
			c.Deferred += n
		case greylist.Deny:
			c.Denied += n
		}
		if kind.Reason == greylist.ReasonError {
			c.Errors += n
		}
	}
	return c
}

func (d *Daemon) database(recent sample) Database {
	since, _ := d.Judge.Outage()
	n, _ := sqlstore.NumbersOf(d.Store)
	db := Database{Store: d.StoreName, Since: seconds(since), Cause: d.Judge.Cause(), MaxRows: d.MaxRows(),
		Triplets: d.Upkeep.Rows(), Queued: n.Queued, CommitMedian: within(recent.commit, 0.5), CommitP99: within(recent.commit, 0.99)}
	db.Failing, db.FailingOpen = d.Failing()
	if n.DatabaseBytes > 0 {
		db.Bytes, db.LogBytes = &n.DatabaseBytes, &n.LogBytes
	}
	db.split(d.Rows.Last())
	return db
}

// split says how many of the triplets wait, and how many have passed as of the last count of
// the metrics, if there was one. Since then there may be other triplets: most of them wait.
func (db *Database) split(last greylist.Stats, at time.Time) {
	if at.IsZero() {
		return
	}
	all := last.Waiting + last.Passed
	if db.Triplets != nil {
		all = *db.Triplets
	}
	passed := min(last.Passed, all)
	waiting := all - passed
	db.Triplets, db.Waiting, db.Passed = &all, &waiting, &passed
}

// known is a number, or nil for zero, which stands for none.
func known(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func seconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	unix := t.Unix()
	return &unix
}
