package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/cmd/greyglass/internal/web"
	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/milter/listen"
	"greyglass/sqlstore"
)

// pollEvery is how often the list files are polled. A poll notices every way in which
// editors save, also if the file is gone for a moment.
const pollEvery = 500 * time.Millisecond

// reloader reloads lists when they are edited, and the configuration on SIGHUP. It keeps
// the previous state of what it cannot read.
type reloader struct {
	*daemon
	judge    *judge.Judge
	limiters []*listen.Limiter
	store    greylist.Store
	recent   *web.Recent // nil: none

	lists   config.Lists
	files   []listFile
	read    watch.Files                   // the state of each file, for package watch
	current atomic.Pointer[config.Loaded] // the configuration in force, for other goroutines too
}

func newReloader(d *daemon, loaded *config.Loaded, judge *judge.Judge, limiters []*listen.Limiter, store greylist.Store) *reloader {
	r := &reloader{daemon: d, judge: judge, limiters: limiters, store: store}
	r.watch(loaded)
	r.noteAll()
	return r
}

// history returns how long history is kept.
func (r *reloader) history() time.Duration { return r.current.Load().Config.Store.History }

// maxRows returns the row limit.
func (r *reloader) maxRows() int64 { return r.current.Load().Config.Store.MaxRows }

// listNames are those of package watch, by the keys of the configuration. Lists in the conditions
// of rules are named by their files.
var listNames = map[string]string{"blocked.senders_file": watch.Blocked, "blocked.exceptions_file": watch.Exceptions}

// watch begins to watch the list files of a configuration.
func (r *reloader) watch(loaded *config.Loaded) {
	r.lists = maps.Clone(loaded.Lists)
	r.files = nil
	for _, file := range loaded.Config.ListFiles() {
		watched := listFile{ListFile: file, name: cmp.Or(listNames[file.Key], file.File)}
		watched.begin()
		r.files = append(r.files, watched)
	}
	r.current.Store(loaded)
}

// noteAll notes that all files were just read.
func (r *reloader) noteAll() {
	r.read.Taken(watch.Configuration, 0, time.Time{})
	for i := range r.files {
		r.note(&r.files[i])
	}
}

// entries returns the number of entries of the list in use.
func (r *reloader) entries(file *listFile) int {
	if list := r.lists[file.ListFile]; list != nil {
		return list.Len()
	}
	return 0
}

// note notes that a list was just read.
func (r *reloader) note(file *listFile) {
	switch {
	case file.File == "":
		r.read.Dropped(file.name)
	case file.complaint == "":
		r.read.Taken(file.name, r.entries(file), file.seen.Written())
	}
}

func (r *reloader) run(ctx context.Context, hangup <-chan os.Signal) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			r.reload()
		case <-poll.C:
			r.pollLists()
		}
	}
}

// reload reads the configuration again.
func (r *reloader) reload() {
	r.supervisor.reloading()
	defer r.supervisor.ready()
	loaded, err := r.load()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			r.log.Error(eventReloadFailed, "error", strings.TrimSpace(line))
		}
		r.read.Failed(watch.Configuration)
		return
	}
	// An empty file may be half saved, so it must not reset everything to the defaults.
	if loaded.EmptyFile != "" && r.current.Load().FromFile {
		r.log.Error(eventReloadFailed, "error",
			loaded.EmptyFile+": empty or gone, perhaps because it is being saved; send SIGHUP again, or write a comment into it to use the defaults")
		r.read.Failed(watch.Configuration)
		return
	}
	running, wanted := r.current.Load().Config, *loaded.Config
	for _, key := range config.Restart(running, &wanted) {
		r.log.Warn(eventNeedsRestart, "key", key)
	}
	wanted.Web = running.Web
	wanted.Listen, wanted.Store.URL, wanted.Store.PasswordFile = running.Listen, running.Store.URL, running.Store.PasswordFile
	loaded.Config = &wanted
	if reflect.DeepEqual(wanted.DNS.Options(), running.DNS.Options()) { // keep its cache
		loaded.Lookup = r.current.Load().Lookup
	}
	loaded.Lookup.LogTo(r.log)
	files, lists := r.files, r.lists
	r.watch(loaded)
	r.dropUnused(files)
	r.keepGone(lists)
	r.noteAll()
	for _, warning := range loaded.Warnings {
		r.log.Warn(warning.Detail)
	}
	r.handler.adopt(loaded.Config.Log)
	for _, limiter := range r.limiters {
		limiter.SetLimits(limitsOf(loaded.Config.Limits))
	}
	if wanted.Store.Synchronous != running.Store.Synchronous {
		if err := sqlstore.SetSynchronous(r.store, wanted.Store.Synchronous); err != nil {
			r.log.Warn(eventSynchronousFailed, "error", err)
		}
	}
	r.adoptLists()
	r.log.Info(eventReloaded, "mode", loaded.Config.Greylist.Mode)
}

// dropUnused forgets the state of list files that are not used any more.
func (r *reloader) dropUnused(files []listFile) {
	for _, file := range files {
		if !slices.ContainsFunc(r.files, func(f listFile) bool { return f.name == file.name }) {
			r.read.Dropped(file.name)
		}
	}
}

// keepGone keeps the previous list if the file is gone or being written, as polling
// does. Only at the start of the daemon does a missing file mean an empty list.
func (r *reloader) keepGone(lists config.Lists) {
	for i := range r.files {
		file := &r.files[i]
		unfinished := file.unfinished()
		last := lists[file.ListFile]
		if !file.gone() && !unfinished || last == nil || last.Len() == 0 {
			continue
		}
		r.lists[file.ListFile] = last
		if unfinished {
			continue
		}
		loaded := r.current.Load()
		loaded.Warnings = slices.DeleteFunc(loaded.Warnings, func(w config.Warning) bool { return w.Key == file.String() })
		r.complain(file, fs.ErrNotExist)
	}
}

// adoptLists applies the configuration with the present lists.
func (r *reloader) adoptLists() {
	loaded := r.current.Load()
	policy, err := loaded.Config.Policy(r.lists, loaded.Lookup)
	if err != nil {
		r.log.Error(eventListsFailed, "error", err)
		return
	}
	r.judge.Adopt(policy)
	if policy.PrivateLog && r.recent != nil {
		r.recent.Clear()
	}
}

// pollLists reloads the lists whose files have changed.
func (r *reloader) pollLists() {
	changed := false
	var news []string // the files to be logged
	for i := range r.files {
		file := &r.files[i]
		edited, settled := file.poll()
		if !edited && !settled && !file.retry() {
			continue
		}
		list, err := file.read()
		if errors.Is(err, errChanged) {
			continue // the next poll notices it
		}
		if err != nil {
			r.complain(file, err)
			continue
		}
		told := edited || file.complaint != ""
		r.lists[file.ListFile], file.complaint = list, ""
		if told {
			r.note(file)
			news = append(news, file.File)
		}
		changed = true
	}
	if changed {
		r.adoptLists()
	}
	for _, path := range news { // after the lists are in use
		r.log.Info(eventListReloaded, "file", path)
	}
}

// complain logs why a list could not be read, once.
func (r *reloader) complain(file *listFile, err error) {
	file.failed = time.Now()
	r.read.Failed(file.name)
	text := err.Error()
	if text == file.complaint {
		return
	}
	file.complaint = text
	for line := range strings.Lines(text) {
		r.log.Error(eventListFailed, "file", file.File, "error", strings.TrimSpace(line))
	}
}
