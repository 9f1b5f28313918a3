package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
)

// loopback is the index of the interface lo, the first in every namespace.
const loopback = 1

// netlink is a connection to the kernel's routing tables in the network
// namespace of the thread that opened it: rtnetlink(7), which spares the lab
// the program ip(8).
type netlink struct{ fd int }

func openNetlink() (*netlink, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	return &netlink{fd}, nil
}

func (n *netlink) close() { syscall.Close(n.fd) }

// loopbackUp is "ip link set lo up".
func (n *netlink) loopbackUp() error {
	// struct ifinfomsg: family, padding, type, index, flags, change mask
	b := []byte{syscall.AF_UNSPEC, 0, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, loopback)
	b = binary.NativeEndian.AppendUint32(b, syscall.IFF_UP)
	b = binary.NativeEndian.AppendUint32(b, syscall.IFF_UP)
	if err := n.do(syscall.RTM_NEWLINK, 0, b); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}

// addLocal is "ip route add local NET dev lo": every address of net becomes
// one of this machine's own.
func (n *netlink) addLocal(net netip.Prefix) error {
	family := byte(syscall.AF_INET)
	if net.Addr().Is6() {
		family = syscall.AF_INET6
	}
	// struct rtmsg: family, destination and source length, TOS, table,
	// protocol, scope, type, flags
	b := []byte{family, byte(net.Bits()), 0, 0, syscall.RT_TABLE_LOCAL,
		syscall.RTPROT_BOOT, syscall.RT_SCOPE_HOST, syscall.RTN_LOCAL, 0, 0, 0, 0}
	b = appendAttribute(b, syscall.RTA_DST, net.Addr().AsSlice())
	b = appendAttribute(b, syscall.RTA_OIF, binary.NativeEndian.AppendUint32(nil, loopback))
	if err := n.do(syscall.RTM_NEWROUTE, syscall.NLM_F_CREATE|syscall.NLM_F_EXCL, b); err != nil {
		return fmt.Errorf("make %s local: %w", net, err)
	}
	return nil
}

// appendAttribute adds a struct rtattr; all of the lab's values are multiples
// of four octets long, so that none needs padding.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(syscall.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	return append(b, value...)
}

// do sends one request and waits for its acknowledgement, which is a
// NLMSG_ERROR with the negative error number, 0 for success (netlink(7)).
func (n *netlink) do(kind, flags uint16, body []byte) error {
	var b []byte
	b = binary.NativeEndian.AppendUint32(b, uint32(syscall.SizeofNlMsghdr+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, syscall.NLM_F_REQUEST|syscall.NLM_F_ACK|flags)
	b = append(b, make([]byte, 8)...) // sequence number and port: one request at a time
	b = append(b, body...)
	if err := syscall.Sendto(n.fd, b, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	size, _, err := syscall.Recvfrom(n.fd, answer, 0)
	if err != nil {
		return err
	}
	messages, err := syscall.ParseNetlinkMessage(answer[:size])
	if err != nil {
		return err
	}
	if len(messages) == 0 || messages[0].Header.Type != syscall.NLMSG_ERROR || len(messages[0].Data) < 4 {
		return fmt.Errorf("unexpected answer from the kernel: %x", answer[:size])
	}
	if code := int32(binary.NativeEndian.Uint32(messages[0].Data)); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}
