package oracle

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A Store is a server that speaks the protocol of a cloud's object storage on
// this machine. The tests of a process share one of each kind, each in buckets
// of its own; it ends with the process, and its data with it.
type Store struct {
	URL    string // http://host:port or https://host:port
	Addr   string // host:port
	CAFile string // certificates in PEM to trust; "" for http

	// AccessKey and SecretKey are the owner's credentials in S3, the account
	// and its key in base64 in Azure, "" in GCS, which asks for none.
	AccessKey, SecretKey string
	// UserKey and UserSecret are those of an S3 user who may do nothing but
	// what the policy of a bucket allows.
	UserKey, UserSecret string
	Region              string // of S3

	service *service
}

// S3 returns a versitygw, without TLS. Its buckets can have versions and object
// lock.
func S3(t testing.TB) *Store {
	t.Helper()
	return need(t, s3Plain)
}

// S3TLS returns a versitygw whose certificate, for 127.0.0.1, only
// [Store.CAFile] vouches for.
func S3TLS(t testing.TB) *Store {
	t.Helper()
	return need(t, s3TLS)
}

// GCS returns a fake-gcs-server that keeps all in memory. Like the service, it
// sends the client of a resumable upload back to the address that the client
// used, so that a [Proxy] stays between them.
func GCS(t testing.TB) *Store {
	t.Helper()
	return need(t, gcs)
}

// Azure returns an Azurite. The address of its account is the URL, a slash and
// the AccessKey.
func Azure(t testing.TB) *Store {
	t.Helper()
	return need(t, azure)
}

var (
	s3Plain = sync.OnceValues(func() (*Store, error) { return startS3(false) })
	s3TLS   = sync.OnceValues(func() (*Store, error) { return startS3(true) })
	gcs     = sync.OnceValues(startGCS)
	azure   = sync.OnceValues(startAzure)
)

// startS3 starts a versitygw over folders, which keeps what it must remember of
// an object in extended attributes.
func startS3(secure bool) (*Store, error) {
	store := &Store{
		AccessKey: "pgcofre-owner", SecretKey: rand.Text(),
		UserKey: "pgcofre-user", UserSecret: rand.Text(),
		Region: "us-east-1",
	}
	started, err := store.serve("versitygw", func(dir, addr string) (args, env []string, err error) {
		env = []string{"ROOT_ACCESS_KEY=" + store.AccessKey, "ROOT_SECRET_KEY=" + store.SecretKey}
		args = []string{"--port", addr, "--region", store.Region, "--keep-alive", "--quiet", "--iam-dir", filepath.Join(dir, "iam")}
		if secure {
			store.CAFile = filepath.Join(dir, "ca.pem")
			cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
			args = append(args, "--cert", cert, "--key", key)
			if err := writeCertificate(store.CAFile, cert, key); err != nil {
				return nil, nil, err
			}
		}
		for _, name := range []string{"iam", "data", "versions"} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				return nil, nil, err
			}
		}
		users, err := json.Marshal(map[string]any{"accessAccounts": map[string]any{
			store.UserKey: map[string]string{"access": store.UserKey, "secret": store.UserSecret, "role": "user"},
		}})
		if err != nil {
			return nil, nil, err
		}
		args = append(args, "posix", "--versioning-dir", filepath.Join(dir, "versions"), filepath.Join(dir, "data"))
		return args, env, os.WriteFile(filepath.Join(dir, "iam", "users.json"), users, 0o600)
	})
	if err != nil && strings.Contains(err.Error(), "xattrs are not supported") {
		return nil, lackingError(fmt.Sprintf("no extended attributes in %s, which versitygw needs: set TMPDIR to a folder on a disk (ext4, xfs, btrfs)", os.TempDir()))
	}
	return started, err
}

func startGCS() (*Store, error) {
	return new(Store).serve("fake-gcs-server", func(_, addr string) (args, env []string, err error) {
		host, port, err := net.SplitHostPort(addr)
		// A public host without a port is known behind any port.
		args = []string{"-scheme", "http", "-host", host, "-port", port, "-public-host", host, "-backend", "memory", "-log-level", "warn"}
		return args, nil, err
	})
}

func startAzure() (*Store, error) {
	secret := make([]byte, 64)
	rand.Read(secret)
	store := &Store{AccessKey: "pgcofreaccount", SecretKey: base64.StdEncoding.EncodeToString(secret)}
	return store.serve("azurite-blob", func(dir, addr string) (args, env []string, err error) {
		host, port, err := net.SplitHostPort(addr)
		data := filepath.Join(dir, "data")
		args = []string{"--blobHost", host, "--blobPort", port, "--location", data, "--silent", "--skipApiVersionCheck", "--disableTelemetry"}
		env = []string{"AZURITE_ACCOUNTS=" + store.AccessKey + ":" + store.SecretKey}
		return args, env, errors.Join(err, os.Mkdir(data, 0o700))
	})
}

// serve starts the store's program and completes the store.
func (s *Store) serve(name string, how plan) (*Store, error) {
	service, err := serve(name, how)
	if err != nil {
		return nil, err
	}
	scheme := "http://"
	if s.CAFile != "" {
		scheme = "https://"
	}
	s.service, s.Addr, s.URL = service, service.addr, scheme+service.addr
	return s, nil
}
