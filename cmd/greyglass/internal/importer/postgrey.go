package importer

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"greyglass/greylist/address"
)

// readPostgrey reads postgrey's databases: those of a folder, one file, or the output
// of db_dump.
func readPostgrey(ctx context.Context, im *Import, yield func(entry)) error {
	if im.Source != "-" {
		info, err := os.Stat(im.Source)
		if err != nil {
			return err
		}
		if info.IsDir() {
			return im.dumpFolder(ctx, yield)
		}
		if isDatabase, err := notText(im.Source); err != nil || isDatabase {
			return errors.Join(err, im.dump(ctx, im.Source, yield))
		}
	}
	f, err := im.open()
	if err != nil {
		return err
	}
	defer f.Close()
	return im.readDump(ctx, f, im.Source, yield)
}

// dumpFolder reads the triplets, and the clients if postgrey had any.
func (im *Import) dumpFolder(ctx context.Context, yield func(entry)) error {
	if err := im.dump(ctx, filepath.Join(im.Source, "postgrey.db"), yield); err != nil {
		return err
	}
	err := im.dump(ctx, filepath.Join(im.Source, "postgrey_clients.db"), yield)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// notText reports whether a file does not begin as the output of db_dump does.
func notText(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, len(dumpHeader))
	_, err = io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fmt.Errorf("%s is no database of postgrey: it is too short", file)
	}
	return string(head) != dumpHeader, err
}

const dumpHeader = "VERSION="

// dump reads a database by db_dump. While postgrey runs, the file is not whole without
// the memory that postgrey shares with the programs that open its environment.
func (im *Import) dump(ctx context.Context, file string, yield func(entry)) error {
	if _, err := os.Stat(file); err != nil {
		return err
	}
	program, err := dumpProgram()
	if err != nil {
		return err
	}
	args := []string{file}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "__db.001")); err == nil {
		args = []string{"-h", filepath.Dir(file), filepath.Base(file)}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	failed := im.readDump(ctx, out, file, yield)
	if failed != nil {
		cancel() // it may still be writing
	}
	ended := cmd.Wait()
	if line, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n"); line != "" {
		return fmt.Errorf("cannot read %s: %s", file, address.Printable(line))
	}
	if failed != nil {
		return failed
	}
	return ended
}

func dumpProgram() (string, error) {
	for _, name := range []string{"db_dump", "db5.3_dump"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("postgrey's database is read by db_dump, which is not installed; install Debian's package db-util, or run db_dump elsewhere and import its output")
}

// readDump reads the output of db_dump: after the header a line for each key, and one
// for its value.
func (im *Import) readDump(ctx context.Context, r io.Reader, name string, yield func(entry)) error {
	inHeader, printed, whole := true, false, false
	var key []byte
	bad := func(n int) { yield(entry{place: fmt.Sprintf("%s:%d", name, n)}) }
	err := eachLine(ctx, bufio.NewReaderSize(r, maxLine), func(n int, line []byte) {
		switch {
		case string(line) == "HEADER=END":
			inHeader = false
		case string(line) == "DATA=END":
			inHeader, printed, whole = true, false, true
		case inHeader:
			printed = printed || string(line) == "format=print"
			if !headerLine.Match(line) {
				bad(n)
			}
		case key == nil:
			if key = dumped(line, printed); key == nil {
				key = []byte{}
			}
		default:
			e, ok := im.postgreyEntry(string(key), string(dumped(line, printed)))
			if key = nil; !ok {
				bad(n)
				return
			}
			yield(e)
		}
	})
	if err == nil && !whole {
		err = fmt.Errorf("%s ends without DATA=END: it is no whole output of db_dump; what it has was taken over", name)
	}
	return err
}

var headerLine = regexp.MustCompile(`^[A-Za-z_]+=`)

// dumped decodes a line of db_dump: a space, then the octets in hexadecimal or, printed,
// as they are with escapes. It returns nil if it cannot.
func dumped(line []byte, printed bool) []byte {
	if len(line) == 0 || line[0] != ' ' {
		return nil
	}
	line = line[1:]
	if !printed {
		b := make([]byte, hex.DecodedLen(len(line)))
		if _, err := hex.Decode(b, line); err != nil {
			return nil
		}
		return b
	}
	b := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] != '\\':
			b = append(b, line[i])
		case i+1 < len(line) && line[i+1] == '\\':
			b = append(b, '\\')
			i++
		case i+2 < len(line):
			var octet [1]byte
			if _, err := hex.Decode(octet[:], line[i+1:i+3]); err != nil {
				return nil
			}
			b = append(b, octet[0])
			i += 2
		default:
			return nil
		}
	}
	return b
}

var hashed = regexp.MustCompile(`^[0-9a-f]{40}$`)

// postgreyEntry reads an entry of either database:
//
//	NETWORK/SENDER/RECIPIENT, or ADDRESS/32/SENDER/RECIPIENT   FIRST,LAST
//	ADDRESS                                                    PASSES,LAST
func (im *Import) postgreyEntry(key, value string) (e entry, ok bool) {
	numbers := strings.Split(value, ",")
	if len(numbers) < 2 {
		return e, false
	}
	first, err := strconv.ParseInt(numbers[0], 10, 64)
	last, err2 := strconv.ParseInt(numbers[1], 10, 64)
	if err != nil || err2 != nil || first < 0 || last < 0 {
		return e, false
	}
	if hashed.MatchString(key) {
		return entry{skip: "stored as a hash (--privacy)"}, true
	}
	client, envelope, isTriplet := strings.Cut(key, "/")
	addr, err := address.ParseIP(client)
	if err != nil {
		return e, false
	}
	e.last = last
	if !isTriplet {
		e.client, e.first, e.passed, e.passes = whole(addr), last, true, first
		return e, true
	}
	e.first, e.passed = first, last-first >= im.Peer.Delay
	if full, found := strings.CutPrefix(envelope, strconv.Itoa(addr.BitLen())+"/"); found {
		e.client, envelope = whole(addr), full // --lookup-by-host
	} else if e.client, ok = im.cut(addr); !ok {
		e.skip = fmt.Sprintf("the network is no /%d; give --ipv4cidr and --ipv6cidr as postgrey had them", im.Peer.bitsOf(addr))
	}
	if e.sender, e.recipient, ok = splitEnvelope(envelope); !ok {
		e.skip = "an address contains a slash, so that sender and recipient cannot be told apart"
		e.recipient = envelope
		return e, strings.Count(envelope, "/") > 1
	}
	if sender, exact := im.restored(e.sender); exact {
		e.sender = sender
	} else if e.skip == "" {
		e.skip = `numbers in the sender are replaced by #; greylist.sender_identity = "normalized" would take most`
	}
	return e, true
}

// splitEnvelope splits SENDER/RECIPIENT. Local parts may contain a slash, domains do not.
func splitEnvelope(s string) (sender, recipient string, ok bool) {
	for i, c := range []byte(s) {
		if c != '/' {
			continue
		}
		_, domain, hasDomain := address.Cut(s[:i])
		if i > 0 && (!hasDomain || strings.Contains(domain, "/")) && strings.Count(s, "/") > 1 {
			continue
		}
		if ok {
			return "", "", false // there is more than one way
		}
		sender, recipient, ok = s[:i], s[i+1:], true
	}
	return sender, recipient, ok && recipient != ""
}

// restored returns a sender whose identity is that of all senders for which postgrey's
// form stands, and whether there is one: where numbers were replaced, they must not
// matter.
func (im *Import) restored(sender string) (string, bool) {
	local, domain, _ := address.Cut(sender)
	if !strings.Contains(local, "#") {
		return sender, true
	}
	if !im.Identity.Normalized {
		return "", false
	}
	var same string
	for n := 1; n <= 12; n++ {
		number := strings.Repeat("7", n)
		normalized := address.Normalize(address.Fold(strings.ReplaceAll(local, "#", number) + "@" + domain))
		if n > 1 && normalized != same || strings.Contains(normalized, number) {
			return "", false
		}
		same = normalized
	}
	return same, true
}
