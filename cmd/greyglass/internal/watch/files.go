package watch

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// The names of the files that are reloaded.
const (
	Configuration = "configuration"
	Blocked       = "blocked"
	Exceptions    = "exceptions"
)

// File is the state of one file that is reloaded.
type File struct {
	Name     string
	Read     time.Time // when the content in use was read
	Modified time.Time // when it was written; zero if there was no file, or it is not known
	Entries  int       // of a list
	Stale    bool      // the last reading failed

	Reads, Failures int64 // number of readings, and of failed ones
}

// Files has the state of all files. The zero value has none.
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

// Taken notes that a file was read and is in use.
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

// Dropped forgets a file that is not used any more.
func (f *Files) Dropped(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, name)
}

// All returns the files, sorted by name.
func (f *Files) All() (all []File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		all = append(all, *f.files[name])
	}
	return all
}
