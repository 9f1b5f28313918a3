package rules

import (
	"context"
	"slices"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// ClientIdentity returns the client as the greylist remembers it. If id is by provider,
// that is the first that there is of the provider by whose record SPF passes, the
// registered domain of the confirmed name, unless that looks dynamic, and the address,
// which is cut to its prefix. It looks SPF up at most once a message.
func (f *Facts) ClientIdentity(ctx context.Context, id greylist.Identity) (string, error) {
	if own := f.Client.Identity(); own != "" {
		return own, nil
	}
	addr, ok := f.Client.Addr()
	if !ok {
		return "", greylist.ErrNoAddress
	}
	if id.Provider {
		if spf := f.SPF(ctx); bySPF(spf) != "" {
			return bySPF(spf), nil
		}
		if name := f.byName(); name != "" {
			return name, nil
		}
	}
	return id.Network(addr), nil
}

// OtherIdentities returns under which identities the client may be remembered beside its
// own, which [Facts.ClientIdentity] returned: an earlier attempt may have had another
// one, because DNS failed then or fails now, or because the configuration has changed.
// It looks nothing up.
func (f *Facts) OtherIdentities(id greylist.Identity, own string) []string {
	addr, ok := f.Client.Addr()
	if !ok {
		return nil
	}
	others := make([]string, 0, 4)
	add := func(identity string) {
		if identity != "" && identity != own && !slices.Contains(others, identity) {
			others = append(others, identity)
		}
	}
	spf, _ := f.KnownSPF()
	add(bySPF(spf))
	name := f.byName()
	add(name)
	add(id.Network(addr))
	if domain, ok := strings.CutPrefix(name, greylist.ByName); ok && spf.Result == SPFTempError {
		add(greylist.BySPF + domain) // a provider's hosts usually have its name
	}
	return others
}

// WhyIdentity says in words why [Facts.ClientIdentity] returned an identity; empty for an
// identity that is always the address.
func (f *Facts) WhyIdentity(id greylist.Identity) string {
	if !id.Provider || f.Client.Identity() != "" {
		return ""
	}
	spf, _ := f.KnownSPF()
	why := "SPF is " + spf.String()
	if bySPF(spf) != "" {
		return why
	}
	if spf.Result == SPFPass {
		why += ", which tells no provider"
	}
	switch {
	case f.byName() != "":
		return why + "; the client's name is " + f.clientName()
	case f.ClientName == "":
		return why + "; the client has no confirmed name"
	case f.Dynamic():
		return why + "; " + f.clientName() + " looks dynamic"
	}
	return why + "; " + f.clientName() + " has no registered domain"
}

// bySPF is the identity by SPF; empty if there is none.
func bySPF(spf SPF) string {
	if spf.Result != SPFPass || spf.Provider == "" {
		return ""
	}
	return greylist.BySPF + spf.Provider
}

// byName is the identity by the client's confirmed name; empty if there is none.
func (f *Facts) byName() string {
	if !f.named {
		f.named = true
		if !f.Dynamic() {
			if domain := address.RegisteredDomain(f.clientName()); domain != "" {
				f.nameIdentity = greylist.ByName + domain
			}
		}
	}
	return f.nameIdentity
}
