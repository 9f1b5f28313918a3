package watch

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/sqlstore"
)

// metric is one metric, with or without labels.
type metric struct{ *prometheus.Desc }

// all are all metrics, by newMetric.
var all []metric

func newMetric(name, help string, labels ...string) metric {
	m := metric{prometheus.NewDesc("greyglass_"+name, help, labels, nil)}
	all = append(all, m)
	return m
}

var (
	buildInfo = newMetric("build_info", "Always 1; the labels say which build this is.", "version", "goversion")
	started   = newMetric("started_timestamp_seconds", "When the daemon began to serve, in Unix time.")

	decisions = newMetric("decisions_total", "Recipients that were judged.", "via", "verdict", "reason")
	answer    = newMetric("answer_seconds", "Time that it took to judge a recipient.")
	delay     = newMetric("delay_seconds", "Time from the first attempt to acceptance, of triplets that came back.")

	panics = newMetric("panics_total", "Bugs that were met: panics that were caught, and logged.", "part")

	logLost = newMetric("log_lines_dropped_total", "Lines that were dropped because the log could not be written in time.")

	sessionsOpen  = newMetric("sessions_open", "Connections of mail servers that there are now.", "via")
	sessions      = newMetric("sessions_total", "Connections of mail servers that were let in.", "via")
	refused       = newMetric("connections_refused_total", "Connections that were refused because of [limits].", "via")
	displaced     = newMetric("connections_displaced_total", "Connections that gave way to others at a limit.", "via")
	timedOut      = newMetric("connections_timed_out_total", "Connections that were closed because nothing more came in time.", "via")
	framesRefused = newMetric("frames_refused_total", "Milter frames and policy requests that were refused as malformed, with their connection.", "via")

	failing     = newMetric("store_failing", "1 while the database fails and answers are given by store.on_error.")
	failingOpen = newMetric("failing_open", "1 while the database fails and all mail is accepted for that.")
	unanswered  = newMetric("store_failed_answers_total", "Answers that were given by store.on_error because the database failed.")
	errors_     = newMetric("store_errors_total", "Transactions that failed because the storage did.")
	batch       = newMetric("store_batch_size", "Changes that shared a transaction.")
	commit      = newMetric("store_commit_seconds", "Time that a transaction took that wrote, until it was durable.")
	queued      = newMetric("store_queued", "Changes that wait for the next transaction.")
	size        = newMetric("store_size_bytes", "Size of the database's files.", "file")
	triplets    = newMetric("store_triplets", "Triplets that are stored, as of the last count.", "state")
	clients     = newMetric("store_clients", "Clients of which triplets have passed, as of the last count.")
	written     = newMetric("store_correspondents", "Addresses to which users have written, as of the last count.")
	ceiling     = newMetric("store_max_triplets", "How many triplets are kept at most (store.max_rows); 0 for any number.")
	countedAt   = newMetric("store_counted_timestamp_seconds", "When the triplets were last counted, in Unix time.")

	reads     = newMetric("file_reads_total", "Readings of the configuration and the lists, the first one included.", "file", "result")
	readAt    = newMetric("file_read_timestamp_seconds", "When the content in use was read, in Unix time.", "file")
	writtenAt = newMetric("file_modified_timestamp_seconds", "When the list in use was last edited, in Unix time.", "file")
	stale     = newMetric("file_stale", "1 while the file cannot be read, and the daemon keeps the previous one.", "file")
	entries   = newMetric("list_entries", "Entries of the list in use.", "file")
)

// collector makes the metrics from the daemon's counters at each request.
type collector struct {
	version string
	daemon  func() *Daemon // nil until it serves
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range all {
		out <- m.Desc
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := series{out}
	s.gauge(buildInfo, 1, c.version, runtime.Version())
	d := c.daemon()
	if d == nil {
		return
	}
	s.gauge(started, unix(d.Started))
	s.counter(logLost, d.LogLost())
	s.judge(d.Judge.Counters())
	s.connections(d)
	s.store(d)
	s.files(d.Files)
}

// series sends the values of metrics.
type series struct{ out chan<- prometheus.Metric }

func (s series) judge(t *judge.Counters) {
	for k, n := range t.Answers() {
		s.counter(decisions, n, k.Via, string(k.Verdict), string(k.Reason))
	}
	s.histogram(answer, t.Took(), time.Second)
	s.histogram(delay, t.Delay(), 1)
	s.counter(panics, t.Panics(), "judge")
}

func (s series) connections(d *Daemon) {
	for _, limiter := range d.Limiters {
		via, t := limiter.Via(), limiter.Counters()
		s.gauge(sessionsOpen, float64(t.Open), via)
		s.counter(sessions, t.Admitted, via)
		s.counter(refused, t.Refused, via)
		s.counter(displaced, t.Displaced, via)
		s.counter(timedOut, t.TimedOut, via)
		s.counter(framesRefused, t.Malformed, via)
		s.counter(panics, t.Panicked, via)
	}
}

func (s series) store(d *Daemon) {
	fails, open := d.Failing()
	_, answers := d.Judge.Outage()
	s.gauge(failing, oneIf(fails))
	s.gauge(failingOpen, oneIf(open))
	s.counter(unanswered, answers)
	if n, ok := sqlstore.NumbersOf(d.Store); ok {
		s.counter(errors_, n.Failed)
		s.counter(panics, n.Panics, "store")
		s.histogram(batch, n.Batch, 1)
		s.histogram(commit, n.Commit, time.Second)
		s.gauge(queued, float64(n.Queued))
		if n.DatabaseBytes > 0 {
			s.gauge(size, float64(n.DatabaseBytes), "database")
			s.gauge(size, float64(n.LogBytes), "log")
		}
	}
	s.gauge(ceiling, float64(d.MaxRows()))
	if is, at := d.Rows.Last(); !at.IsZero() {
		s.gauge(triplets, float64(is.Waiting), "waiting")
		s.gauge(triplets, float64(is.Passed), "passed")
		s.gauge(clients, float64(is.Clients))
		s.gauge(written, float64(is.Correspondents))
		s.gauge(countedAt, unix(at))
	}
}

func (s series) files(files *Files) {
	for _, f := range files.All() {
		s.counter(reads, f.Reads, f.Name, "ok")
		s.counter(reads, f.Failures, f.Name, "failed")
		s.gauge(readAt, unix(f.Read), f.Name)
		s.gauge(stale, oneIf(f.Stale), f.Name)
		if f.Name == Configuration {
			continue
		}
		s.gauge(entries, float64(f.Entries), f.Name)
		if !f.Modified.IsZero() {
			s.gauge(writtenAt, unix(f.Modified), f.Name)
		}
	}
}

func (s series) counter(m metric, n int64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(m.Desc, prometheus.CounterValue, float64(n), labels...)
}

func (s series) gauge(m metric, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(m.Desc, prometheus.GaugeValue, v, labels...)
}

// histogram sends a distribution whose values are in fractions of a unit.
func (s series) histogram(m metric, d greylist.Distribution, unit time.Duration) {
	buckets, count := make(map[float64]uint64), uint64(0)
	for i, n := range d.Counts {
		count += uint64(n)
		if i < len(d.Bounds) {
			buckets[float64(d.Bounds[i])/float64(unit)] = count
		}
	}
	s.out <- prometheus.MustNewConstHistogram(m.Desc, count, float64(d.Sum)/float64(unit), buckets)
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
