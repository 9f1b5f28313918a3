package watch

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// The names of what is reloaded while the daemon runs.
const (
	Configuration = "configuration"
	Blocked       = "blocked"
	Exceptions    = "exceptions"
)

// File is what became of one file that is reloaded while the daemon runs.
type File struct {
	Name     string
	Read     time.Time // when what is in force was read
	Modified time.Time // when that was written; zero if there was no file, or it is not known
	Entries  int       // of a list
	Stale    bool      // what is in force is older than the file, which could not be read

	Reads, Failures int64 // how often it was read, or could not be
}

// Files notes what becomes of files. Its zero value knows none.
type Files struct {
	mu    sync.Mutex
	files map[string]*File
}

func (f *Files) note(name string, note func(*File)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files == nil {
		f.files = make(map[string]*File)
	}
	if f.files[name] == nil {
		f.files[name] = &File{Name: name}
	}
	note(f.files[name])
}

// Taken notes that a file, which was written then and has so many entries, was
// read and is in force.
func (f *Files) Taken(name string, entries int, modified time.Time) {
	f.note(name, func(file *File) {
		file.Read, file.Modified, file.Entries, file.Stale = time.Now(), modified, entries, false
		file.Reads++
	})
}

// Failed notes that a file could not be read.
func (f *Files) Failed(name string) {
	f.note(name, func(file *File) {
		file.Stale = true
		file.Failures++
	})
}

// Dropped notes that a file is not used any more.
func (f *Files) Dropped(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, name)
}

// All returns the files by their names.
func (f *Files) All() (all []File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		all = append(all, *f.files[name])
	}
	return all
}
