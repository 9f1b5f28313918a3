package greylist

// Command is a run of a program that changes the database: pass, forget, expect and others.
// It is stored beside the change, and removed by the daemon that logs it.
type Command struct {
	At    int64  // Unix seconds
	Host  string // the machine
	UID   int64  // of the process
	User  string // its name; empty: unknown
	Sudo  string // who became that user by sudo, as sudo says; empty: none
	Words string // the command with its arguments, such as "forget --domain example.net"
}
