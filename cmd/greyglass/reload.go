package main

import (
	"context"
	"os"
	"strings"
	"syscall"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/milter"
)

// pollEvery is how often the list files are looked at. A poll sees every way in
// which editors save, also where the file is gone for a moment.
const pollEvery = time.Second

// reloader makes edits of the lists, and on SIGHUP of the configuration, take
// effect. What cannot be read leaves in force what was.
type reloader struct {
	*daemon
	judge  *greylist.Judge
	server *milter.Server

	loaded *config.Loaded
	lists  config.Lists
	files  [2]listFile
}

func newReloader(d *daemon, loaded *config.Loaded, judge *greylist.Judge, server *milter.Server) *reloader {
	r := &reloader{daemon: d, judge: judge, server: server}
	r.watch(loaded)
	return r
}

// watch begins to watch the list files of a configuration.
func (r *reloader) watch(loaded *config.Loaded) {
	r.loaded, r.lists = loaded, loaded.Lists
	r.files = [2]listFile{
		{path: loaded.Config.Blocked.SendersFile, whose: greylist.Senders, list: &r.lists.Blocked},
		{path: loaded.Config.Blocked.ExceptionsFile, whose: greylist.Recipients, list: &r.lists.Exceptions},
	}
	for i := range r.files {
		r.files[i].look()
		// It may have been written between the load and this look.
		r.files[i].settled = r.files[i].seen == fingerprint{}
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
	loaded, err := r.load()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			r.log.Error("configuration not read anew; what was in force stays", "error", strings.TrimSpace(line))
		}
		return
	}
	for _, warning := range loaded.Warnings {
		r.log.Warn(warning)
	}
	running, wanted := r.loaded.Config, *loaded.Config
	for _, key := range config.Restart(running, &wanted) {
		r.log.Warn("changed, but needs a restart to take effect", "key", key)
	}
	wanted.Listen, wanted.Store.URL = running.Listen, running.Store.URL
	loaded.Config = &wanted
	r.watch(loaded)
	r.handler.adopt(loaded.Config.Log)
	r.judge.Adopt(loaded.Policy)
	r.log.Info("configuration read anew", "mode", loaded.Config.Greylist.Mode)
}

// pollLists reads anew the lists whose files have changed.
func (r *reloader) pollLists() {
	changed := false
	for i := range r.files {
		file := &r.files[i]
		edited, settled := file.look()
		if !edited && !settled {
			continue
		}
		list, err := config.ReadList(file.path, file.whose)
		if err != nil {
			if text := err.Error(); text != file.complaint {
				file.complaint = text
				for line := range strings.Lines(text) {
					r.log.Error("list not read anew; the last good one stays in force", "file", file.path, "error", strings.TrimSpace(line))
				}
			}
			continue
		}
		*file.list, file.complaint = list, ""
		changed = true
		if edited {
			r.log.Info("list read anew", "file", file.path)
		}
	}
	if !changed {
		return
	}
	policy, err := r.loaded.Config.Policy(r.lists)
	if err != nil {
		r.log.Error("lists not taken over; what was in force stays", "error", err)
		return
	}
	r.judge.Adopt(policy)
}

// listFile is a list file that is being watched.
type listFile struct {
	path  string // empty: there is none
	whose greylist.Whose
	list  *greylist.Patterns // the last good one

	seen      fingerprint
	settled   bool   // seen is old enough that no later write can have left it as it is
	complaint string // of the last read, so that it is logged once
}

// fingerprint changes when a file does. Its zero value is that of no file.
type fingerprint struct {
	device, inode  uint64
	size           int64
	written, moved syscall.Timespec // mtime, ctime
}

// look reports whether the file was edited since the last look, or has settled
// since then and is to be read once more.
func (f *listFile) look() (edited, settled bool) {
	if f.path == "" {
		return false, false
	}
	var now fingerprint
	if info, err := os.Stat(f.path); err == nil {
		s := info.Sys().(*syscall.Stat_t)
		now = fingerprint{uint64(s.Dev), s.Ino, s.Size, s.Mtim, s.Ctim}
	}
	old := time.Since(time.Unix(now.moved.Unix())) > 2*pollEvery
	edited, settled = now != f.seen, old && !f.settled
	f.seen, f.settled = now, old
	return edited, settled
}
