package lookup

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/publicsuffix"
)

// Dynamic reports whether a client's forward-confirmed name looks like the generic name
// of a home connection, and not like that of a mail server. A client without a name
// counts as dynamic.
func (r *Resolver) Dynamic(name string, client netip.Addr) bool { return looksDynamic(name, client) }

func looksDynamic(name string, client netip.Addr) bool {
	name, ok := canonicalName(name)
	if !ok || !strings.Contains(name, ".") {
		return true
	}
	// The provider's own name says nothing about the line.
	host := strings.TrimSuffix(strings.TrimSuffix(name, icannDomain(name)), ".")
	if containsAddress(name, client.Unmap()) {
		return !isOfSenders(host)
	}
	words := strings.FieldsFunc(host, func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.ContainsFunc(words, isLineWord) && !slices.ContainsFunc(words, isMailWord)
}

// isOfSenders reports whether a host's name has a whole label that says that mail is sent
// from there, as mail-40-107-1-51.outbound.protection.outlook.com has. Large providers
// name each address of their pools.
func isOfSenders(host string) bool {
	_, above, _ := strings.Cut(host, ".")
	return slices.ContainsFunc(strings.Split(above, "."), func(label string) bool { return sendingLabels[label] })
}

var sendingLabels = wordSet(`outbound mailout mout smtp-out smtpout mta mx-out`)

// icannDomain returns the domain that is registered at a registry, by the ICANN suffixes of the
// public suffix list: amazonaws.com also for a name below the private compute-1.amazonaws.com.
func icannDomain(name string) string {
	suffix, icann := publicsuffix.PublicSuffix(name)
	for !icann && strings.Contains(suffix, ".") {
		_, parent, _ := strings.Cut(suffix, ".")
		suffix, icann = publicsuffix.PublicSuffix(parent)
	}
	before := strings.TrimSuffix(strings.TrimSuffix(name, suffix), ".")
	return before[strings.LastIndexByte(before, '.')+1:] + "." + suffix
}

// containsAddress reports whether the name contains the client's address, in a form that
// is no coincidence.
func containsAddress(name string, client netip.Addr) bool {
	if !client.Is4() {
		return containsIPv6(name, client)
	}
	octets := client.As4()
	backward := octets
	slices.Reverse(backward[:])
	numbers := strings.FieldsFunc(name, func(r rune) bool { return r < '0' || r > '9' })
	for _, o := range [][4]byte{octets, backward} {
		// Three of the four octets are enough: many providers omit one.
		if inOrder(numbers, o[:3]) || inOrder(numbers, o[1:]) {
			return true
		}
	}
	if !slices.ContainsFunc(strings.FieldsFunc(name, notHex), func(digits string) bool { return len(digits) >= 2*len(octets) }) {
		return false
	}
	for _, o := range [][4]byte{octets, backward} {
		if strings.Contains(name, hex.EncodeToString(o[:])) || strings.Contains(name, fmt.Sprintf("%03d%03d%03d%03d", o[0], o[1], o[2], o[3])) {
			return true
		}
	}
	return false
}

func notHex(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }

// inOrder reports whether the numbers contain the octets consecutively, with or without
// leading zeros.
func inOrder(numbers []string, octets []byte) bool {
	for i := 0; i+len(octets) <= len(numbers); i++ {
		same := 0
		for same < len(octets) && isOctet(numbers[i+same], octets[same]) {
			same++
		}
		if same == len(octets) {
			return true
		}
	}
	return false
}

func isOctet(number string, octet byte) bool {
	n, err := strconv.ParseUint(number, 10, 8)
	return err == nil && byte(n) == octet
}

// containsIPv6 looks for the second half of the address, or for its short form.
func containsIPv6(name string, client netip.Addr) bool {
	if !client.Is6() {
		return false
	}
	joined := strings.NewReplacer("-", "", ".", "").Replace(name)
	octets := client.As16()
	if strings.Contains(joined, hex.EncodeToString(octets[8:])) {
		return true
	}
	short := strings.ReplaceAll(client.String(), ":", "-")
	nibbles := reversed(client) // as in ip6.arpa
	return strings.Contains(name, short) || strings.Contains(name+".", nibbles[:len(nibbles)/2])
}

// isLineWord reports whether a word names a kind of line, or a customer.
func isLineWord(word string) bool {
	return lineWords[word] || strings.HasPrefix(word, "dyn") || strings.HasSuffix(word, "dsl") || strings.HasPrefix(word, "dial")
}

var lineWords = wordSet(`
	abo broadband cable cablemodem catv cpe cust customer customers client clients dhcp dip
	fiber fibre ftth fttb generic gprs lte mobile modem nat pool pools ppp pppoe res
	residential reverse static subs subscriber subscribers umts unassigned user users wifi wimax wireless wlan`)

// isMailWord reports whether a word is a usual name of mail servers.
func isMailWord(word string) bool { return mailWords[strings.TrimRight(word, "s")] }

var mailWords = wordSet(`mail mailer mailgate mailhost mailhub mailout mailserver mailrelay
	mx mta smtp smtpout relay outbound out bounce list newsletter email mailing mout`)

func wordSet(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}
