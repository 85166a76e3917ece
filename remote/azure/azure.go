package azure

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Options configure a [Sink]. The zero value, and nil, work.
type Options struct {
	// Prefix is the folder in the container that holds the sink's objects:
	// "backups/db1", without a slash at either end. The sink sees nothing
	// else. Default: the whole container.
	Prefix string

	// PartSize is the size of the blocks that larger objects are sent in, in
	// bytes: 64 KiB to 128 MiB. Objects that fit one block are sent in one
	// request. It doubles every 10,000 blocks, so that an object may have 310,000
	// times this size within the 50,000 blocks that Azure allows: 2.3 TiB by
	// default. Default: 8 MiB.
	PartSize int

	// InFlight is how many blocks all Puts of the sink together may have on
	// their way beside the one that each fills, or sends where there are so
	// many. Default: 4.
	InFlight int

	// Tier is the access tier of what is stored: blob.AccessTierCool, say.
	// Archive is refused, as what lies there cannot be read for hours; let a
	// rule of the account move old sets. Default: the account's.
	Tier blob.AccessTier

	// EncryptionScope is the account's encryption scope to store with.
	// Default: the container's, or the account's.
	EncryptionScope string

	// CustomerKey is an AES-256 key, 32 bytes, that the store encrypts with and
	// does not keep: it is sent with every request, so https is required, and
	// without it no object can be read. It excludes EncryptionScope. Default:
	// the store's own keys.
	CustomerKey []byte

	// Lock makes what is stored immutable until a date. The container must
	// have version-level immutability enabled. Default: no lock.
	Lock *Lock

	// Endpoint is the URL of the account's blob service, for [Open] alone:
	// "https://account.blob.core.windows.net", or for Azurite
	// "http://127.0.0.1:10000/devstoreaccount1". Default: that of the account
	// in AZURE_STORAGE_ACCOUNT in Azure's public cloud.
	Endpoint string

	// CAFile names a PEM file with the authorities that may sign the endpoint's
	// certificate, for [Open] alone. Default: the system's.
	CAFile string
}

// Lock is an immutability policy for each object stored.
type Lock struct {
	// Mode is blob.ImmutabilityPolicySettingLocked, which no one can shorten or
	// remove, or blob.ImmutabilityPolicySettingUnlocked, which those with the
	// right to can. Default: Unlocked.
	Mode blob.ImmutabilityPolicySetting

	// Until says until when an object that is stored now is locked. It is
	// called once for each Put, by several goroutines at a time. The zero time
	// locks nothing.
	Until func() time.Time
}

const (
	minPart = 64 << 10
	maxPart = 128 << 20
)

// Sink keeps objects as block blobs below a prefix of one container. Its
// methods may be called from several goroutines at a time. It holds nothing
// that needs closing.
type Sink struct {
	container *container.Client
	name      string // azblob://container/prefix
	bucket    string // the container's name
	prefix    string // with its slash, or empty
	opts      Options
	cpk       *blob.CPKInfo
	scope     *blob.CPKScopeInfo
	slots     chan struct{} // one for each block on its way that no Put waits for
}

var (
	_ remote.RemoteSink      = (*Sink)(nil)
	_ remote.RangeGetter     = (*Sink)(nil)
	_ remote.Stater          = (*Sink)(nil)
	_ remote.ExclusivePutter = (*Sink)(nil)
	_ remote.LevelLister     = (*Sink)(nil)
)

// containerName is what Azure allows, but for $root and $web, whose blobs are
// public or served as a site.
var containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)

// New returns the sink in a container, over a client of the program's own,
// whose credentials, transport and retries it uses. It asks the store nothing:
// a container that does not exist is an error of the first operation.
func New(client *azblob.Client, containerName string, opts *Options) (*Sink, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Endpoint != "" || o.CAFile != "" {
		return nil, errors.New("open Azure container: Endpoint and CAFile are for Open: a client of your own has them already")
	}
	return newSink(client, containerName, o)
}

func newSink(client *azblob.Client, bucket string, o Options) (*Sink, error) {
	if err := o.check(bucket, strings.HasPrefix(client.URL(), "https:")); err != nil {
		return nil, fmt.Errorf("open Azure container: %w", err)
	}
	s := &Sink{
		container: client.ServiceClient().NewContainerClient(bucket),
		name:      "azblob://" + bucket,
		bucket:    bucket,
		opts:      o,
		slots:     make(chan struct{}, o.InFlight),
	}
	if o.Prefix != "" {
		s.name += "/" + o.Prefix
		s.prefix = o.Prefix + "/"
	}
	if o.EncryptionScope != "" {
		s.scope = &blob.CPKScopeInfo{EncryptionScope: &o.EncryptionScope}
	}
	if o.CustomerKey != nil {
		sum := sha256.Sum256(o.CustomerKey)
		s.cpk = &blob.CPKInfo{
			EncryptionAlgorithm: to.Ptr(blob.EncryptionAlgorithmTypeAES256),
			EncryptionKey:       to.Ptr(base64.StdEncoding.EncodeToString(o.CustomerKey)),
			EncryptionKeySHA256: to.Ptr(base64.StdEncoding.EncodeToString(sum[:])),
		}
	}
	return s, nil
}

// check validates the options and fills in what is not given.
func (o *Options) check(bucket string, secure bool) error {
	if o.PartSize == 0 {
		o.PartSize = 8 << 20
	}
	if o.InFlight == 0 {
		o.InFlight = 4
	}
	switch {
	case !containerName.MatchString(bucket) || len(bucket) > 63:
		return fmt.Errorf("%q is no container's name: 3 to 63 lower-case letters, digits and single hyphens", bucket)
	case o.Prefix != "" && remote.CheckName(o.Prefix) != nil:
		return fmt.Errorf("prefix: %w", remote.CheckName(o.Prefix))
	case o.PartSize < minPart || o.PartSize > maxPart:
		return fmt.Errorf("a part size of %d bytes is not within %d and %d", o.PartSize, minPart, maxPart)
	case o.InFlight < 1:
		return fmt.Errorf("%d parts in flight are not at least 1", o.InFlight)
	case o.Tier == blob.AccessTierArchive:
		return errors.New("backups cannot live in the Archive tier, where nothing can be read for hours: choose Cold, or move old sets by a rule of the account")
	case o.Tier != "" && !slices.Contains(blob.PossibleAccessTierValues(), o.Tier):
		return fmt.Errorf("%q is no access tier: choose Hot, Cool or Cold", o.Tier)
	case o.CustomerKey != nil && len(o.CustomerKey) != 32:
		return fmt.Errorf("the customer key has %d bytes, an AES-256 key has 32", len(o.CustomerKey))
	case o.CustomerKey != nil && o.EncryptionScope != "":
		return errors.New("a customer key and an encryption scope exclude each other")
	case o.CustomerKey != nil && !secure:
		return errors.New("a customer key would be sent in the clear: use an https endpoint")
	case o.Lock != nil && o.Lock.Until == nil:
		return errors.New("a lock needs Until")
	case o.Lock != nil && o.Lock.Mode != "" && !slices.Contains([]blob.ImmutabilityPolicySetting{
		blob.ImmutabilityPolicySettingLocked, blob.ImmutabilityPolicySettingUnlocked}, o.Lock.Mode):
		return fmt.Errorf("%q is no mode of a lock: choose Locked or Unlocked", o.Lock.Mode)
	}
	return nil
}

// String returns the sink's URL, which holds no credential.
func (s *Sink) String() string { return s.name }

// blob returns the client of an object.
func (s *Sink) blob(name string) *blockblob.Client {
	return s.container.NewBlockBlobClient(s.prefix + name)
}

// check tells whether an operation on an object can begin.
func (s *Sink) check(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := remote.CheckName(name); err != nil {
		return err
	}
	if n := len(s.prefix) + len(name); n > remote.MaxName {
		return fmt.Errorf("%w: with the prefix %q the name has %d bytes, at most %d are allowed", fs.ErrInvalid, s.prefix, n, remote.MaxName)
	}
	return nil
}

// wrap makes the error of an operation, or nil of nil.
func (s *Sink) wrap(ctx context.Context, op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &remote.Error{Op: op, Sink: s.name, Name: name, Err: s.explain(ctx, err)}
}

// Stat describes an object.
func (s *Sink) Stat(ctx context.Context, name string) (remote.Object, error) {
	obj, err := s.stat(ctx, name)
	return obj, s.wrap(ctx, "stat", name, err)
}

func (s *Sink) stat(ctx context.Context, name string) (remote.Object, error) {
	if err := s.check(ctx, name); err != nil {
		return remote.Object{}, err
	}
	resp, err := s.blob(name).GetProperties(ctx, &blob.GetPropertiesOptions{CPKInfo: s.cpk})
	if err != nil {
		return remote.Object{}, err
	}
	return object(name, resp.ContentLength, resp.LastModified, resp.ETag), nil
}

// Delete removes an object. One that has snapshots, or that a policy locks,
// stays, and Delete fails.
func (s *Sink) Delete(ctx context.Context, name string) error {
	err := s.check(ctx, name)
	if err == nil {
		_, err = s.blob(name).Delete(ctx, nil)
	}
	if bloberror.HasCode(err, bloberror.BlobNotFound) && ctx.Err() == nil {
		return nil
	}
	return s.wrap(ctx, "delete", name, err)
}

// object makes the Object of what the store answers. Listings give entity tags
// without the quotes that headers have.
func object(name string, size *int64, modified *time.Time, etag *azcore.ETag) remote.Object {
	obj := remote.Object{Name: name}
	if size != nil {
		obj.Size = *size
	}
	if modified != nil {
		obj.ModTime = *modified
	}
	if etag != nil {
		obj.Version = strings.Trim(string(*etag), `"`)
	}
	return obj
}
