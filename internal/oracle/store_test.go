package oracle_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

func TestS3(t *testing.T) {
	store := oracle.S3(t)
	if oracle.S3(t) != store {
		t.Error("a second one was started")
	}
	askS3(t, http.DefaultClient, store)
}

func TestS3TLS(t *testing.T) {
	store := oracle.S3TLS(t)
	text, err := os.ReadFile(store.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("no certificate in %s", text)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	askS3(t, &http.Client{Transport: transport}, store)
	_, err = http.Get(store.URL)
	if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) {
		t.Errorf("without the CAFile: %v", err)
	}
}

// askS3 makes a bucket as its owner, and lists it as the user before and after
// the bucket's policy allows that.
func askS3(t *testing.T, client *http.Client, store *oracle.Store) {
	t.Helper()
	owner := aws.Credentials{AccessKeyID: store.AccessKey, SecretAccessKey: store.SecretKey}
	user := aws.Credentials{AccessKeyID: store.UserKey, SecretAccessKey: store.UserSecret}
	ask := func(as aws.Credentials, method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, store.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(body))
		hash := hex.EncodeToString(sum[:])
		req.Header.Set("X-Amz-Content-Sha256", hash)
		req.Header.Set("X-Amz-Bucket-Object-Lock-Enabled", "true")
		if err := v4.NewSigner().SignHTTP(t.Context(), as, req, hash, "s3", store.Region, time.Now()); err != nil {
			t.Fatal(err)
		}
		return do(t, client, req)
	}
	bucket := strings.ToLower(rand.Text())
	if status, text := ask(owner, http.MethodPut, "/"+bucket, ""); status != http.StatusOK {
		t.Fatalf("create a bucket: %d %s", status, text)
	}
	if status, text := ask(owner, http.MethodGet, "/", ""); status != http.StatusOK || !strings.Contains(text, "<Name>"+bucket+"</Name>") {
		t.Errorf("list buckets: %d %s", status, text)
	}
	if status, text := ask(owner, http.MethodGet, "/"+bucket+"?object-lock=", ""); status != http.StatusOK || !strings.Contains(text, "Enabled") {
		t.Errorf("object lock: %d %s", status, text)
	}
	if status, text := ask(user, http.MethodGet, "/"+bucket, ""); status != http.StatusForbidden || !strings.Contains(text, "<Code>AccessDenied</Code>") {
		t.Errorf("list as the user: %d %s", status, text)
	}
	policy := fmt.Sprintf(`{"Statement": [{"Effect": "Allow", "Principal": {"AWS": [%q]}, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::%s"}]}`, store.UserKey, bucket)
	if status, text := ask(owner, http.MethodPut, "/"+bucket+"?policy=", policy); status/100 != 2 {
		t.Errorf("set the policy: %d %s", status, text)
	}
	if status, text := ask(user, http.MethodGet, "/"+bucket, ""); status != http.StatusOK {
		t.Errorf("list as the allowed user: %d %s", status, text)
	}
	if status, text := ask(aws.Credentials{AccessKeyID: store.AccessKey, SecretAccessKey: "wrong"}, http.MethodGet, "/", ""); status != http.StatusForbidden {
		t.Errorf("list with a wrong key: %d %s", status, text)
	}
}

func TestGCS(t *testing.T) {
	store := oracle.GCS(t)
	through := "http://" + oracle.Proxy(t, store.Addr).Addr
	send := func(method, url, body string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s", method, url, resp.Status)
		}
		return resp
	}
	bucket := strings.ToLower(rand.Text())
	send(http.MethodPost, through+"/storage/v1/b", `{"name": "`+bucket+`"}`)
	session := send(http.MethodPost, through+"/upload/storage/v1/b/"+bucket+"/o?uploadType=resumable", `{"name": "a/b"}`).Header.Get("Location")
	if !strings.HasPrefix(session, through) {
		t.Errorf("the upload continues at %s, not through the proxy %s", session, through)
	}
	send(http.MethodPut, session, "contents")
	for _, path := range []string{"/storage/v1/b/" + bucket + "/o/a%2Fb?alt=media", "/" + bucket + "/a/b"} {
		text, err := io.ReadAll(send(http.MethodGet, through+path, "").Body)
		if err != nil || string(text) != "contents" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}

func TestAzure(t *testing.T) {
	store := oracle.Azure(t)
	ask := func(key string) (int, string) {
		t.Helper()
		secret, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, store.URL+"/"+store.AccessKey+"?comp=list", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
		req.Header.Set("X-Ms-Version", "2025-01-05")
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "GET%sx-ms-date:%s\nx-ms-version:%s\n/%[4]s/%[4]s\ncomp:list", strings.Repeat("\n", 12),
			req.Header.Get("X-Ms-Date"), req.Header.Get("X-Ms-Version"), store.AccessKey)
		req.Header.Set("Authorization", "SharedKey "+store.AccessKey+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		return do(t, http.DefaultClient, req)
	}
	if status, text := ask(store.SecretKey); status != http.StatusOK || !strings.Contains(text, "<Containers/>") {
		t.Errorf("list containers: %d %s", status, text)
	}
	if status, text := ask(base64.StdEncoding.EncodeToString([]byte("wrong"))); status != http.StatusForbidden {
		t.Errorf("list with a wrong key: %d %s", status, text)
	}
}

func TestAge(t *testing.T) {
	out, err := exec.Command(oracle.Age(t), "--version").Output()
	if err != nil || len(out) == 0 {
		t.Errorf("%q, %v", out, err)
	}
}

// TestMissingStore shows what a test says where a store's program is missing.
func TestMissingStore(t *testing.T) {
	text, err := runChild(t, "PATH=/nowhere", "PGCOFRE_STORES=", "PGCOFRE_REQUIRE=").CombinedOutput()
	if err != nil || strings.Count(string(text), ".ci/stores/install") != len(starters) {
		t.Errorf("skipped: %v: %s", err, text)
	}
	text, err = runChild(t, "PATH=/nowhere", "PGCOFRE_STORES=", "PGCOFRE_REQUIRE=all").CombinedOutput()
	if err == nil || strings.Count(string(text), ".ci/stores/install") != len(starters) {
		t.Errorf("required: %v: %s", err, text)
	}
}

// TestKilledTestsLeaveNothing kills a test process that uses all stores.
func TestKilledTestsLeaveNothing(t *testing.T) {
	for _, starter := range starters {
		starter.start(t) // or skip
	}
	tmp := t.TempDir()
	cmd := runChild(t, "TMPDIR="+tmp, "PGCOFRE_REQUIRE=all")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	var said bytes.Buffer
	for lines := bufio.NewScanner(io.TeeReader(out, &said)); len(addrs) < len(starters) && lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "serves "); ok {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) < len(starters) {
		t.Fatalf("not all started: %s", said.String())
	}
	dirs := func() []string {
		found, err := filepath.Glob(filepath.Join(tmp, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if n := len(dirs()); n != len(starters) {
		t.Errorf("%d folders, want %d", n, len(starters))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for _, addr := range addrs {
		oracle.Await(t, addr+" is no longer served", func() bool { return !answers(t.Context(), addr) })
	}
	oracle.Await(t, "all folders are gone", func() bool { return len(dirs()) == 0 })
}

// starters start a service each and tell its address.
var starters = []struct {
	name  string
	start func(t testing.TB) string
}{
	{"S3", func(t testing.TB) string { return oracle.S3(t).Addr }},
	{"S3TLS", func(t testing.TB) string { return oracle.S3TLS(t).Addr }},
	{"GCS", func(t testing.TB) string { return oracle.GCS(t).Addr }},
	{"Azure", func(t testing.TB) string { return oracle.Azure(t).Addr }},
	{"Proxy", func(t testing.TB) string { return oracle.Proxy(t, "127.0.0.1:1").Addr }},
}

// childVariable makes TestStart a program that serves until it is killed.
const childVariable = "PGCOFRE_ORACLE_CHILD"

// runChild is a process of this test program that runs TestStart alone.
func runChild(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestStart$", "-test.v")
	cmd.Env = append(append(os.Environ(), childVariable+"=1"), env...)
	return cmd
}

// TestStart: what is started is served at once.
func TestStart(t *testing.T) {
	child := os.Getenv(childVariable) != ""
	for _, starter := range starters {
		t.Run(starter.name, func(t *testing.T) {
			addr := starter.start(t)
			if !answers(t.Context(), addr) {
				t.Errorf("nobody answers at %s", addr)
			}
			if child {
				fmt.Println("serves", addr)
			}
			if child && starter.name == "Proxy" {
				select {} // until killed
			}
		})
	}
}

// answers tells whether somebody accepts connections there.
func answers(ctx context.Context, addr string) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// do returns the status and the body of an answer.
func do(t *testing.T, client *http.Client, req *http.Request) (int, string) {
	t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
