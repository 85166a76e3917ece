package azure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/assist-move-assist/pgcofre/internal/part"
	"github.com/assist-move-assist/pgcofre/remote"
)

// Put stores an object: in one request if it fits a part, else as blocks that
// are then committed as one blob. Blocks of a Put that fails are never part of
// an object; Azure drops them a week after the last of them, or when the name
// is stored again. Of two Puts of one name at a time at least one succeeds:
// where the other's blocks were dropped by that, it fails and says so.
func (s *Sink) Put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (remote.Object, error) {
	obj, err := s.put(ctx, name, r, opts, "")
	return obj, s.wrap(ctx, "put", name, err)
}

// PutExclusive is Put under the condition that the name holds nothing, which
// Azure checks when it makes the object visible. The object has one entry of
// metadata, pgcofreput, by which a repeated request knows its own.
func (s *Sink) PutExclusive(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (remote.Object, error) {
	obj, err := s.put(ctx, name, r, opts, rand.Text())
	return obj, s.wrap(ctx, "put", name, err)
}

// put stores an object. A mark that is not empty, one for each call, makes it
// exclusive.
func (s *Sink) put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions, mark string) (remote.Object, error) {
	if err := s.check(ctx, name); err != nil {
		return remote.Object{}, err
	}
	p := &put{s: s, name: name, blob: s.blob(name), mark: mark, headers: s.headers(opts, mark)}
	first := &part.Part{}
	ended, err := first.Fill(ctx, source{r}, s.opts.PartSize)
	if err == nil && !ended {
		return p.blocks(ctx, source{r}, first)
	}
	defer first.Free()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return remote.Object{}, err
	}
	return p.whole(ctx, first)
}

// put is one Put at work.
type put struct {
	s       *Sink
	name    string
	blob    *blockblob.Client
	mark    string
	headers headers
}

// headers are what goes with the request that makes an object visible.
type headers struct {
	http      *blob.HTTPHeaders
	metadata  map[string]*string
	tier      *blob.AccessTier
	lockMode  *blob.ImmutabilityPolicySetting
	lockUntil *time.Time
	condition *blob.AccessConditions
}

// markKey is the metadata that an exclusive Put leaves on its object. By it a
// Put whose success was not heard of knows its own object when it asks again.
const markKey = "pgcofreput"

func (s *Sink) headers(opts *remote.PutOptions, mark string) (h headers) {
	if opts != nil && opts.ContentType != "" {
		h.http = &blob.HTTPHeaders{BlobContentType: &opts.ContentType}
	}
	if s.opts.Tier != "" {
		h.tier = &s.opts.Tier
	}
	if l := s.opts.Lock; l != nil {
		if until := l.Until(); !until.IsZero() {
			h.lockUntil = to.Ptr(until.UTC())
			h.lockMode = to.Ptr(l.Mode)
			if l.Mode == "" {
				h.lockMode = to.Ptr(blob.ImmutabilityPolicySettingUnlocked)
			}
		}
	}
	if mark != "" {
		h.metadata = map[string]*string{markKey: &mark}
		h.condition = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{
			IfNoneMatch: to.Ptr(azcore.ETagAny),
		}}
	}
	return h
}

// whole stores an object in one request. The store refuses it if the CRC64 that
// goes along is not that of what arrived; the MD5 that it answers was not sent.
func (p *put) whole(ctx context.Context, data *part.Part) (remote.Object, error) {
	h := p.headers
	resp, err := p.blob.Upload(ctx, data.Body(), &blockblob.UploadOptions{
		TransactionalValidation:      blob.TransferValidationTypeCRC64(data.CRC(0)),
		HTTPHeaders:                  h.http,
		Metadata:                     h.metadata,
		Tier:                         h.tier,
		ImmutabilityPolicyMode:       h.lockMode,
		ImmutabilityPolicyExpiryTime: h.lockUntil,
		AccessConditions:             h.condition,
		CPKInfo:                      p.s.cpk,
		CPKScopeInfo:                 p.s.scope,
	})
	if err != nil {
		return p.refused(ctx, err)
	}
	obj := object(p.name, to.Ptr(int64(data.Size())), resp.LastModified, resp.ETag)
	obj.Checked, err = compare(data, nil, resp.ContentMD5)
	if err != nil {
		return remote.Object{}, p.remove(ctx, resp.ETag, err)
	}
	if obj.Checked {
		return obj, nil // which covers the size
	}
	return p.measure(ctx, obj, resp.ETag)
}

// commit makes an object of the blocks. checked tells that each was compared.
func (p *put) commit(ctx context.Context, ids []string, size int64, checked bool) (remote.Object, error) {
	h := p.headers
	resp, err := p.blob.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{
		HTTPHeaders:                  h.http,
		Metadata:                     h.metadata,
		Tier:                         h.tier,
		ImmutabilityPolicyMode:       h.lockMode,
		ImmutabilityPolicyExpiryTime: h.lockUntil,
		AccessConditions:             h.condition,
		CPKInfo:                      p.s.cpk,
		CPKScopeInfo:                 p.s.scope,
	})
	if err != nil {
		return p.refused(ctx, err)
	}
	obj := object(p.name, &size, resp.LastModified, resp.ETag)
	obj.Checked = checked
	return p.measure(ctx, obj, resp.ETag)
}

// measure compares the size of what was stored with that of what was sent. An
// object that cannot be asked for, since another Put replaced it, say, was
// stored all the same, and is not checked.
func (p *put) measure(ctx context.Context, obj remote.Object, etag *azcore.ETag) (remote.Object, error) {
	resp, err := p.blob.GetProperties(ctx, &blob.GetPropertiesOptions{CPKInfo: p.s.cpk, AccessConditions: match(etag)})
	switch {
	case err != nil || resp.ContentLength == nil:
		obj.Checked = false
	case *resp.ContentLength != obj.Size:
		return remote.Object{}, p.remove(ctx, etag, fmt.Errorf("the store holds %d bytes of the %d sent", *resp.ContentLength, obj.Size))
	}
	return obj, nil
}

// remove takes back an object that the store holds otherwise than it was sent,
// and returns why.
func (p *put) remove(ctx context.Context, etag *azcore.ETag, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if _, err := p.blob.Delete(ctx, &blob.DeleteOptions{AccessConditions: match(etag)}); err != nil {
		return fmt.Errorf("%w; the object could not be removed: %w", why, p.s.explain(ctx, err))
	}
	return why
}

// refused explains why an object was not made visible. What stands in the way of
// an exclusive Put may be its own object, stored by a request whose answer was
// lost.
func (p *put) refused(ctx context.Context, err error) (remote.Object, error) {
	if p.mark == "" || !bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet) {
		return remote.Object{}, err
	}
	resp, statErr := p.blob.GetProperties(ctx, &blob.GetPropertiesOptions{CPKInfo: p.s.cpk})
	if ctx.Err() != nil {
		return remote.Object{}, ctx.Err()
	}
	if statErr == nil {
		for key, value := range resp.Metadata {
			if strings.EqualFold(key, markKey) && value != nil && *value == p.mark {
				return object(p.name, resp.ContentLength, resp.LastModified, resp.ETag), nil
			}
		}
	}
	return remote.Object{}, &failure{text: "there is an object of that name", chain: []error{fs.ErrExist, err}}
}

// match is the condition that an object is still the one seen.
func match(etag *azcore.ETag) *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: etag}}
}

// errChecksum is what a store's wrong checksum means.
var errChecksum = errors.New("the store's checksum is not that of what was sent")
