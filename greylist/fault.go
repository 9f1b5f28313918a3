package greylist

// Fault is the error of a [Store] whose database fails: one line that says what is
// wrong, and what the administrator can do about it.
type Fault struct {
	Database string // which; for SQLite the file
	Err      error
	Advice   string // what to do
}

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }
