package azure_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/azure"
)

// TestCredentials opens a sink with each kind that the environment may hold.
func TestCredentials(t *testing.T) {
	store := oracle.Azure(t)
	name, endpoint := bucket(t, store), store.URL+"/"+store.AccessKey
	sasToken := token(t, store, time.Hour, allowed)
	wrong := base64.StdEncoding.EncodeToString([]byte("wrong"))
	for _, test := range []struct {
		name, endpoint string
		set            map[string]string
	}{
		{"connection string", "", map[string]string{
			"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=" + endpoint + ";AccountName=" + store.AccessKey + ";AccountKey=" + store.SecretKey,
			"AZURE_STORAGE_ACCOUNT":           "other", "AZURE_STORAGE_KEY": wrong,
		}},
		{"connection string with SAS", "", map[string]string{
			"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=" + endpoint + ";SharedAccessSignature=" + sasToken,
		}},
		{"key", endpoint, map[string]string{
			"AZURE_STORAGE_ACCOUNT": store.AccessKey, "AZURE_STORAGE_KEY": store.SecretKey, "AZURE_STORAGE_SAS_TOKEN": "sig=wrong",
		}},
		{"SAS", endpoint + "/", map[string]string{"AZURE_STORAGE_SAS_TOKEN": sasToken}},
		{"SAS with a question mark", endpoint, map[string]string{"AZURE_STORAGE_SAS_TOKEN": "?" + sasToken}},
	} {
		t.Run(test.name, func(t *testing.T) {
			environment(t, test.set)
			s, err := azure.Open(t.Context(), name, &azure.Options{Endpoint: test.endpoint})
			if err != nil {
				t.Fatal(err)
			}
			mustPut(t, s, "x", content(1, 100))
			mustHold(t, s, "x", content(1, 100))
		})
	}
}

// TestRefusedOpen gives what cannot work. No error shows a secret.
func TestRefusedOpen(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte("a secret key"))
	account := map[string]string{"AZURE_STORAGE_ACCOUNT": "account1", "AZURE_STORAGE_KEY": key}
	for _, test := range []struct {
		name string
		set  map[string]string
		opts azure.Options
		want string
	}{
		{name: "nothing", want: "set AZURE_STORAGE_ACCOUNT"},
		{name: "key alone", set: map[string]string{"AZURE_STORAGE_KEY": key}, opts: azure.Options{Endpoint: "https://x.example"}, want: "needs AZURE_STORAGE_ACCOUNT"},
		{name: "no base64", set: map[string]string{"AZURE_STORAGE_ACCOUNT": "account1", "AZURE_STORAGE_KEY": "a secret key!"}, want: "not base64"},
		{name: "account", set: map[string]string{"AZURE_STORAGE_ACCOUNT": "evil.example/", "AZURE_STORAGE_KEY": key}, want: "no account's name"},
		{name: "SAS", set: map[string]string{"AZURE_STORAGE_ACCOUNT": "account1", "AZURE_STORAGE_SAS_TOKEN": "a secret key"}, want: "no signature"},
		{name: "connection string", set: map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "AccountKey=" + key}, want: "malformed"},
		{name: "two endpoints", set: map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "x"}, opts: azure.Options{Endpoint: "https://x.example"}, want: "drop one"},
		{name: "identity without TLS", opts: azure.Options{Endpoint: "http://x.example"}, want: "without https"},
		{name: "endpoint", set: account, opts: azure.Options{Endpoint: "x.example"}, want: "no http or https URL"},
		{name: "endpoint with SAS", set: account, opts: azure.Options{Endpoint: "https://x.example/?sig=a%20secret%20key"}, want: "AZURE_STORAGE_SAS_TOKEN"},
		{name: "endpoint with user", set: account, opts: azure.Options{Endpoint: "https://u:secret@x.example/"}, want: "no credentials"},
		{name: "CA file", set: account, opts: azure.Options{CAFile: "missing.pem"}, want: "missing.pem"},
		{name: "no PEM", set: account, opts: azure.Options{CAFile: "open_test.go"}, want: "holds no certificate"},
		{name: "prefix", set: account, opts: azure.Options{Prefix: "/x"}, want: "begins with a slash"},
		{name: "part", set: account, opts: azure.Options{PartSize: 100}, want: "part size"},
		{name: "in flight", set: account, opts: azure.Options{InFlight: -1}, want: "in flight"},
		{name: "archive", set: account, opts: azure.Options{Tier: blob.AccessTierArchive}, want: "Archive"},
		{name: "tier", set: account, opts: azure.Options{Tier: "cool"}, want: `"cool" is no access tier`},
		{name: "short key", set: account, opts: azure.Options{CustomerKey: []byte("a secret key")}, want: "32"},
		{name: "key in the clear", set: account, opts: azure.Options{CustomerKey: make([]byte, 32), Endpoint: "http://x.example"}, want: "https"},
		{name: "key and scope", set: account, opts: azure.Options{CustomerKey: make([]byte, 32), EncryptionScope: "x"}, want: "exclude"},
		{name: "lock", set: account, opts: azure.Options{Lock: &azure.Lock{}}, want: "Until"},
		{name: "lock mode", set: account, opts: azure.Options{Lock: &azure.Lock{Mode: "x", Until: time.Now}}, want: "Locked or Unlocked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			environment(t, test.set)
			_, err := azure.Open(t.Context(), "backups", &test.opts)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v, want %q in it", err, test.want)
			}
			if text := err.Error(); strings.Contains(text, key) || strings.Contains(text, "secret") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	environment(t, account)
	for _, name := range []string{"", "ab", "Backups", "a--b", "-ab", "$root", "a/b", strings.Repeat("a", 64)} {
		if _, err := azure.Open(t.Context(), name, nil); err == nil || !strings.Contains(err.Error(), "no container's name") {
			t.Errorf("container %q: %v", name, err)
		}
	}
}

func TestOpenURL(t *testing.T) {
	environment(t, map[string]string{"AZURE_STORAGE_ACCOUNT": "account1", "AZURE_STORAGE_KEY": "c2VjcmV0"})
	for _, test := range []struct{ url, want string }{
		{"azblob://backups", ""},
		{"azblob://backups/", "azblob://backups"},
		{"azblob://backups/a/b/", "azblob://backups/a/b"},
		{"azblob://backups/a%20b?tier=Cool&endpoint=https://x.example&part_size=65536&in_flight=1&encryption_scope=s", "azblob://backups/a b"},
		{"s3://backups", `error: begins with "s3"`},
		{"azblob:backups", "error: of the form"},
		{"azblob:///a", "error: of the form"},
		{"azblob://backups#x", "error: of the form"},
		{"azblob://account1:s3cr3t@backups", "error: no credentials"},
		{"azblob://backups:80/", "error: no container's name"},
		{"azblob://backups/../x", "error: begins with a dot"},
		{"azblob://backups?Tier=Cool", "error: not one of ca_file, encryption_scope, endpoint, in_flight, part_size, tier"},
		{"azblob://backups?sig=s3cr3t", "error: not one of"},
		{"azblob://backups?tier=Cool&tier=Hot", "error: once"},
		{"azblob://backups?tier=", "error: once"},
		{"azblob://backups?part_size=8MiB", "error: part_size: not a positive number"},
		{"azblob://backups?in_flight=0", "error: in_flight: not a positive number"},
		{"azblob://backups?tier=%zz", "error: malformed"},
		{"azblob://backups?tier=Lukewarm", "error: no access tier"},
		{"azblob://backups?ca_file=missing.pem", "error: missing.pem"},
	} {
		u, err := url.Parse(test.url)
		if err != nil {
			t.Fatal(err)
		}
		s, err := azure.OpenURL(t.Context(), u)
		if want, fails := strings.CutPrefix(test.want, "error: "); fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v, want %q in it", test.url, err, want)
			} else if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: the error shows a secret: %v", test.url, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		if want := test.want; want != "" && s.String() != want {
			t.Errorf("%s opens %s", test.url, s)
		}
	}
}
