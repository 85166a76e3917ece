package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/api/option"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestStores runs the scripts that hold for every object store. KIND says which.
func TestStores(t *testing.T) {
	srv := oracle.Server(t, 0)
	for _, kind := range []string{"s3", "gcs", "azure"} {
		t.Run(kind, func(t *testing.T) { runScripts(t, srv, "testdata/stores", "KIND="+kind) })
	}
}

// store s3|gcs|azure: makes a bucket, sets STORE to the URL of a folder in it,
// NOWHERE to that of a bucket which is not there, and
// the environment to the credentials of who may write to it.
func store(ts *testscript.TestScript, _ bool, args []string) {
	t := ts.Value(theTest{}).(testing.TB)
	bucket := "cofre-" + strings.ToLower(rand.Text())
	url, err := map[string]func(testing.TB, *testscript.TestScript, string) (string, error){
		"s3": s3Bucket, "gcs": gcsBucket, "azure": azureBucket,
	}[args[0]](t, ts, bucket)
	ts.Check(err)
	ts.Setenv("STORE", url)
	ts.Setenv("NOWHERE", strings.Replace(url, bucket, bucket+"-not", 1))
}

// s3Bucket lets the user USER_KEY, USER_SECRET read it as well and, in another
// folder, KEPT, write to and delete from state/ alone.
func s3Bucket(t testing.TB, ts *testscript.TestScript, bucket string) (string, error) {
	s := oracle.S3(t)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": s.AccessKey, "AWS_SECRET_ACCESS_KEY": s.SecretKey, "USER_KEY": s.UserKey, "USER_SECRET": s.UserSecret,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		ts.Setenv(name, value)
	}
	client := s3.New(s3.Options{
		Region: s.Region, BaseEndpoint: &s.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		return "", err
	}
	policy := fmt.Sprintf(`{"Statement": [{"Effect": "Allow", "Principal": {"AWS": [%q]}, "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetObject"],
		"Resource": ["arn:aws:s3:::%[2]s", "arn:aws:s3:::%[2]s/*"]},
		{"Effect": "Allow", "Principal": {"AWS": [%[1]q]}, "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": ["arn:aws:s3:::%[2]s/kept/state/*"]}]}`, s.UserKey, bucket)
	_, err := client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy})
	url := fmt.Sprintf("s3://%s/app?endpoint=%s&region=%s&path_style=1", bucket, s.URL, s.Region)
	ts.Setenv("KEPT", strings.Replace(url, "/app?", "/kept?", 1))
	return url, err
}

func gcsBucket(t testing.TB, _ *testscript.TestScript, bucket string) (string, error) {
	s := oracle.GCS(t)
	client, err := storage.NewClient(t.Context(), option.WithoutAuthentication(),
		option.WithEndpoint(s.URL+"/storage/v1/"), option.WithHTTPClient(&http.Client{}))
	if err != nil {
		return "", err
	}
	defer client.Close()
	return fmt.Sprintf("gs://%s/app?endpoint=%s", bucket, s.URL), client.Bucket(bucket).Create(t.Context(), "project", nil)
}

func azureBucket(t testing.TB, ts *testscript.TestScript, bucket string) (string, error) {
	s := oracle.Azure(t)
	ts.Setenv("AZURE_STORAGE_ACCOUNT", s.AccessKey)
	ts.Setenv("AZURE_STORAGE_KEY", s.SecretKey)
	cred, err := azblob.NewSharedKeyCredential(s.AccessKey, s.SecretKey)
	if err != nil {
		return "", err
	}
	endpoint := s.URL + "/" + s.AccessKey
	client, err := azblob.NewClientWithSharedKeyCredential(endpoint, cred, nil)
	if err != nil {
		return "", err
	}
	_, err = client.CreateContainer(t.Context(), bucket, nil)
	return fmt.Sprintf("azblob://%s/app?endpoint=%s", bucket, endpoint), err
}

// keys: writes age identities (one.key, two.key, other.key, quantum.key of the
// post-quantum kind, and locked.key, which is one.key behind a passphrase) and seals (seal.key and forger.key, with their .pub),
// and sets ONE, TWO and QUANTUM to recipients.
func keys(ts *testscript.TestScript, _ bool, _ []string) {
	write := func(name, text string) { ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600)) }
	for _, name := range []string{"one", "two", "other"} {
		id, err := age.GenerateX25519Identity()
		ts.Check(err)
		write(name+".key", "# "+name+"\n"+id.String()+"\n")
		ts.Setenv(strings.ToUpper(name), id.Recipient().String())
	}
	passphrase, err := age.NewScryptRecipient("open sesame")
	ts.Check(err)
	passphrase.SetWorkFactor(10)
	locked, err := os.Create(ts.MkAbs("locked.key"))
	ts.Check(err)
	armored := armor.NewWriter(locked)
	w, err := age.Encrypt(armored, passphrase)
	ts.Check(err)
	_, err = io.WriteString(w, ts.ReadFile("one.key"))
	ts.Check(errors.Join(err, w.Close(), armored.Close(), locked.Close()))

	id, err := age.GenerateHybridIdentity()
	ts.Check(err)
	write("quantum.key", id.String()+"\n")
	write("quantum.txt", "# who may open it\n\n"+id.Recipient().String()+"\n")
	for _, name := range []string{"seal", "forger"} {
		public, private, err := ed25519.GenerateKey(nil)
		ts.Check(err)
		der, err := x509.MarshalPKCS8PrivateKey(private)
		ts.Check(err)
		write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
		der, err = x509.MarshalPKIXPublicKey(public)
		ts.Check(err)
		write(name+".pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	}
}

// tools: sets AGE, OPENSSL, PG_DUMP and PG_RESTORE to the stock programs.
func tools(ts *testscript.TestScript, _ bool, _ []string) {
	t := ts.Value(theTest{}).(testing.TB)
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		oracle.Missing(t, "no openssl found; apt-get install openssl")
	}
	ts.Setenv("OPENSSL", openssl)
	ts.Setenv("AGE", oracle.Age(t))
	client := oracle.Client(t, 0)
	ts.Setenv("PG_DUMP", client.PgDump)
	ts.Setenv("PG_RESTORE", client.PgRestore)
}
