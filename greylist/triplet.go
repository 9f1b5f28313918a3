package greylist

import "greyglass/greylist/address"

// Triplet is the key of the greylist: a client, an envelope sender and an envelope
// recipient, in the form in which they are compared.
type Triplet struct {
	Client    string // its identity: "192.0.2.7", "2001:db8:1::/64", "spf:example.net"
	Sender    string // folded, see [address.Fold], and perhaps normalized; [address.NullSender] for bounces
	Recipient string // folded
}

func (t Triplet) String() string { return t.Client + " " + t.Sender + " " + t.Recipient }

// Triplet returns the triplet of a client that is known by its address; it fails for one
// that has none.
func (id Identity) Triplet(c Client, sender, recipient string) (Triplet, error) {
	addr, ok := c.Addr()
	if !ok {
		return Triplet{}, ErrNoAddress
	}
	return Triplet{Client: id.Network(addr), Sender: id.sender(sender), Recipient: address.Fold(recipient)}, nil
}

// ParseTriplet reads a triplet as people write it: the client as an address, cut to its
// prefix, or as `greyglass list` shows it.
func (id Identity) ParseTriplet(client, sender, recipient string) (Triplet, error) {
	key, err := id.ParseClientKey(client)
	if err != nil {
		return Triplet{}, err
	}
	return Triplet{Client: key, Sender: id.sender(sender), Recipient: address.Fold(recipient)}, nil
}
