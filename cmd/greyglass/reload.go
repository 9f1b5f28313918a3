package main

import (
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
	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/milter/listen"
	"greyglass/sqlstore"
)

// pollEvery is how often the list files are looked at. A poll sees every way in
// which editors save, also where the file is gone for a moment.
const pollEvery = 500 * time.Millisecond

// reloader makes edits of the lists, and on SIGHUP of the configuration, take
// effect. What cannot be read leaves in force what was.
type reloader struct {
	*daemon
	judge    *judge.Judge
	limiters []*listen.Limiter
	store    greylist.Store

	loaded *config.Loaded
	lists  config.Lists
	files  []listFile
	read   watch.Files                  // what became of all that it reads
	keep   atomic.Pointer[config.Store] // what of the store is in force, for the sweeper
}

func newReloader(d *daemon, loaded *config.Loaded, judge *judge.Judge, limiters []*listen.Limiter, store greylist.Store) *reloader {
	r := &reloader{daemon: d, judge: judge, limiters: limiters, store: store}
	r.watch(loaded)
	r.noteAll()
	return r
}

// history is how long history is kept.
func (r *reloader) history() time.Duration { return r.keep.Load().History }

// maxRows is how many triplets are kept at most.
func (r *reloader) maxRows() int64 { return r.keep.Load().MaxRows }

// watch begins to watch the list files of a configuration.
func (r *reloader) watch(loaded *config.Loaded) {
	r.loaded, r.lists = loaded, maps.Clone(loaded.Lists)
	r.files = nil
	for i, file := range loaded.Config.ListFiles() {
		watched := listFile{ListFile: file, name: file.File}
		if i < 2 {
			watched.name = [2]string{watch.Blocked, watch.Exceptions}[i]
		}
		watched.begin()
		r.files = append(r.files, watched)
	}
	r.keep.Store(&loaded.Config.Store)
}

// noteAll notes that all was just read.
func (r *reloader) noteAll() {
	r.read.Taken(watch.Configuration, 0, time.Time{})
	for i := range r.files {
		r.note(&r.files[i])
	}
}

// entries is how many entries of the list are in force.
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
		r.read.Taken(file.name, r.entries(file), file.seen.modified())
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

// reload reads the configuration anew.
func (r *reloader) reload() {
	r.supervisor.reloading()
	defer r.supervisor.ready()
	loaded, err := r.load()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			r.log.Error("reload failed; keeping the current configuration", "error", strings.TrimSpace(line))
		}
		r.read.Failed(watch.Configuration)
		return
	}
	if r.emptied(loaded) {
		r.log.Error("reload failed; keeping the current configuration", "error",
			loaded.EmptyFile+": empty or gone, as a file is in the middle of being saved; send SIGHUP again, or leave a comment in it for the defaults to hold")
		return
	}
	running, wanted := r.loaded.Config, *loaded.Config
	for _, key := range config.Restart(running, &wanted) {
		r.log.Warn("changed; takes effect at a restart", "key", key)
	}
	wanted.Listen, wanted.Store.URL, wanted.Store.PasswordFile = running.Listen, running.Store.URL, running.Store.PasswordFile
	loaded.Config = &wanted
	if reflect.DeepEqual(wanted.DNS.Options(), running.DNS.Options()) { // what it remembers stays
		loaded.Lookup = r.loaded.Lookup
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
			r.log.Warn("cannot change store.synchronous", "error", err)
		}
	}
	r.adoptLists()
	r.log.Info("configuration reloaded", "mode", loaded.Config.Greylist.Mode)
}

// emptied reports whether a file that configures what is in force has nothing in
// it any more, or is gone from where none is needed. To take that for a wish for
// all defaults would be rash.
func (r *reloader) emptied(loaded *config.Loaded) bool {
	for _, from := range r.loaded.Origins {
		if loaded.EmptyFile != "" && strings.HasPrefix(from, loaded.EmptyFile+":") {
			return true
		}
	}
	return false
}

// dropUnused forgets what became of list files that are not used any more.
func (r *reloader) dropUnused(files []listFile) {
	for _, file := range files {
		if !slices.ContainsFunc(r.files, func(f listFile) bool { return f.name == file.name }) {
			r.read.Dropped(file.name)
		}
	}
}

// keepGone has the last good list stay in force where the file is gone, as it
// does without a reload: only at start does that mean an empty list. Where the
// file may be still written to it waits, as without a reload, for what follows.
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
		r.loaded.Warnings = slices.DeleteFunc(r.loaded.Warnings, func(w config.Warning) bool { return w.Key == file.String() })
		r.complain(file, fs.ErrNotExist)
	}
}

// adoptLists makes the configuration hold, with the lists as they are now.
func (r *reloader) adoptLists() {
	policy, err := r.loaded.Config.Policy(r.lists, r.loaded.Lookup)
	if err != nil {
		r.log.Error("cannot apply the lists; keeping the previous ones", "error", err)
		return
	}
	r.judge.Adopt(policy)
}

// pollLists reads anew the lists whose files have changed.
func (r *reloader) pollLists() {
	changed := false
	var news []string // the files of which the log is told
	for i := range r.files {
		file := &r.files[i]
		edited, settled := file.look()
		if !edited && !settled && !file.retry() {
			continue
		}
		list, err := file.read()
		if errors.Is(err, errChanged) {
			continue // the next look sees it
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
	for _, path := range news { // who reads that may rely on it
		r.log.Info("list reloaded", "file", path)
	}
}

// complain logs why a list was not read, unless it did so before.
func (r *reloader) complain(file *listFile, err error) {
	file.failed = time.Now()
	r.read.Failed(file.name)
	text := err.Error()
	if text == file.complaint {
		return
	}
	file.complaint = text
	for line := range strings.Lines(text) {
		r.log.Error("cannot read the list; keeping the previous one", "file", file.File, "error", strings.TrimSpace(line))
	}
}
