package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// userOfImage is the number of the image's user and of its group.
const userOfImage = 65532

// packImage writes an OCI image as a tar file, of the OCI image layout (image-spec
// v1.1.0), with the manifest.json of "docker save" beside it, which "docker load" wants
// unless Docker stores images by containerd. It holds the program, its configuration, and
// the folder of its database.
func packImage(src source, st stage, dist string) (string, error) {
	program, err := os.ReadFile(st.path("greyglass"))
	if err != nil {
		return "", err
	}
	configuration, err := os.ReadFile("contrib/package/image/greyglass.toml")
	if err != nil {
		return "", err
	}
	copyright, err := os.ReadFile(st.path("copyright"))
	if err != nil {
		return "", err
	}
	files := []file{
		{"etc/", 0o755, 0, nil},
		{"etc/greyglass/", 0o755, 0, nil},
		{"etc/greyglass/blocked_emails.list", 0o644, 0, nil},
		{"etc/greyglass/exceptions.list", 0o644, 0, nil},
		{"etc/greyglass/greyglass.toml", 0o644, 0, configuration},
		{"etc/group", 0o644, 0, fmt.Appendf(nil, "root:x:0:\ngreyglass:x:%d:\n", userOfImage)},
		{"etc/passwd", 0o644, 0, fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\ngreyglass:x:%d:%[1]d:Greyglass:/var/lib/greyglass:/sbin/nologin\n", userOfImage)},
		{"run/", 0o755, 0, nil},
		{"run/greyglass/", 0o750, userOfImage, nil},
		{"tmp/", 0o1777, 0, nil},
		{"usr/", 0o755, 0, nil},
		{"usr/sbin/", 0o755, 0, nil},
		{"usr/sbin/greyglass", 0o755, 0, program},
		{"usr/share/", 0o755, 0, nil},
		{"usr/share/doc/", 0o755, 0, nil},
		{"usr/share/doc/greyglass/", 0o755, 0, nil},
		{"usr/share/doc/greyglass/copyright", 0o644, 0, copyright},
		{"var/", 0o755, 0, nil},
		{"var/lib/", 0o755, 0, nil},
		{"var/lib/greyglass/", 0o700, userOfImage, nil},
	}
	layer, err := tarOf(files, src.at)
	if err != nil {
		return "", err
	}
	zipped, err := gzipOf(layer)
	if err != nil {
		return "", err
	}
	labels := map[string]string{
		"org.opencontainers.image.title": "greyglass", "org.opencontainers.image.version": src.version,
		"org.opencontainers.image.description": "greylisting daemon for Postfix, Sendmail and Exim", "org.opencontainers.image.licenses": "BSD-2-Clause",
	}
	if src.home != "" {
		labels["org.opencontainers.image.source"] = src.home
	}
	var b blobs
	config := b.add("application/vnd.oci.image.config.v1+json", object{
		"created": src.at.Format(time.RFC3339), "architecture": st.arch, "os": "linux",
		"config": object{
			"User": fmt.Sprintf("%d:%[1]d", userOfImage), "Entrypoint": []string{"/usr/sbin/greyglass"}, "Cmd": []string{"serve"},
			"Env": []string{"PATH=/usr/sbin"}, "WorkingDir": "/var/lib/greyglass", "Labels": labels, "StopSignal": "SIGTERM",
			"ExposedPorts": object{"8895/tcp": object{}, "8897/tcp": object{}}, "Volumes": object{"/var/lib/greyglass": object{}},
		},
		"rootfs":  object{"type": "layers", "diff_ids": []string{hash(layer)}},
		"history": []object{{"created": src.at.Format(time.RFC3339), "created_by": "make image"}},
	})
	content := b.addBytes("application/vnd.oci.image.layer.v1.tar+gzip", zipped)
	manifest := b.add("application/vnd.oci.image.manifest.v1+json", object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []descriptor{content},
	})
	manifest.Annotations = map[string]string{
		"org.opencontainers.image.ref.name": src.version, "io.containerd.image.name": "docker.io/library/greyglass:" + src.version,
	}
	manifest.Platform = object{"architecture": st.arch, "os": "linux"}
	image, err := tarOf(append([]file{
		{"oci-layout", 0o644, 0, []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", 0o644, 0, encode(object{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []descriptor{manifest}})},
		{"manifest.json", 0o644, 0, encode([]object{{"Config": config.path(), "RepoTags": []string{"greyglass:" + src.version}, "Layers": []string{content.path()}}})},
		{"blobs/", 0o755, 0, nil}, {"blobs/sha256/", 0o755, 0, nil},
	}, b.files...), src.at)
	if err != nil {
		return "", err
	}
	target := filepath.Join(dist, "greyglass-"+src.version+"-image-"+st.arch+".tar")
	return target, os.WriteFile(target, image, 0o644)
}

type object map[string]any

// descriptor names a blob (image-spec, descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    object            `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// blobs are the contents of an image, each named by its hash.
type blobs struct{ files []file }

func (b *blobs) add(mediaType string, o object) descriptor { return b.addBytes(mediaType, encode(o)) }

func (b *blobs) addBytes(mediaType string, text []byte) descriptor {
	d := descriptor{MediaType: mediaType, Digest: hash(text), Size: len(text)}
	b.files = append(b.files, file{d.path(), 0o644, 0, text})
	return d
}

// path is where the blob is in the image.
func (d descriptor) path() string { return "blobs/sha256/" + strings.TrimPrefix(d.Digest, "sha256:") }

func encode(o any) []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // of nothing but texts, numbers and lists
	}
	return text
}

func hash(text []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(text)) }

// file is an entry of a tar file; a folder's name ends in a slash.
type file struct {
	name  string
	mode  int64
	owner int
	text  []byte
}

func tarOf(files []file, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		kind := byte(tar.TypeReg)
		if strings.HasSuffix(f.name, "/") {
			kind = tar.TypeDir
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: kind, Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.text)), ModTime: at, Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.text); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

func gzipOf(text []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}
