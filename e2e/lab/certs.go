package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Common names in the lab's certificates, as MTAs show them to milters and
// policy servers.
const (
	CACommonName        = "Lab CA"
	ClientCommonName    = "client.sender.test"
	UntrustedCommonName = "untrusted.sender.test"
)

// authority is a certification authority, new in each test process.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var (
	labCA      = sync.OnceValue(func() *authority { return newAuthority(CACommonName) })
	serverCert = sync.OnceValue(func() *tls.Certificate { return labCA().issue(Hostname) })
	clientCert = sync.OnceValue(func() *tls.Certificate { return labCA().issue(ClientCommonName) })
	// Of a CA that no instance trusts.
	untrustedCert = sync.OnceValue(func() *tls.Certificate {
		return newAuthority("Untrusted CA").issue(UntrustedCommonName)
	})
)

// ClientCert is a client certificate of the CA that every instance trusts, for
// ClientCommonName.
func ClientCert() *tls.Certificate { return clientCert() }

// UntrustedCert is a client certificate of a CA that no instance trusts, for
// UntrustedCommonName.
func UntrustedCert() *tls.Certificate { return untrustedCert() }

func newAuthority(name string) *authority {
	key := newKey()
	cert := sign(&x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"Greyglass lab"}, CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, key, nil)
	return &authority{cert, key}
}

// issue makes a certificate for name, good for servers and clients alike.
func (a *authority) issue(name string) *tls.Certificate {
	key := newKey()
	cert := sign(&x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"Greyglass lab"}, CommonName: name},
		DNSNames:    []string{name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key, a)
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // no randomness: nothing in the process can be trusted
	}
	return key
}

// sign completes the template for key, signed by ca, or by itself if that is nil.
func sign(template *x509.Certificate, key *ecdsa.PrivateKey, ca *authority) *x509.Certificate {
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(365 * 24 * time.Hour)
	template.SerialNumber, _ = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if ca == nil {
		ca = &authority{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		panic(err) // the template is wrong
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

// writeServerTLS puts the server's key and certificate and the CA's certificate
// into dir. The key belongs to the MTA's account: Sendmail refuses one that
// others can read.
func writeServerTLS(dir string) error {
	key, err := x509.MarshalPKCS8PrivateKey(serverCert().PrivateKey)
	if err != nil {
		return err
	}
	files := []struct {
		name string
		mode os.FileMode
		text []byte
	}{
		{"server.key", 0o400, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})},
		{"server.pem", 0o444, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: serverCert().Leaf.Raw})},
		{"ca.pem", 0o444, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: labCA().cert.Raw})},
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		os.Remove(path) // of an earlier start
		if err := os.WriteFile(path, f.text, f.mode); err != nil {
			return err
		}
		if err := os.Chown(path, mailUID, mailGID); err != nil {
			return err
		}
	}
	return nil
}
