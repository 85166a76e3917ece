package s3

// partSize returns the size of an object's nth part, from 1, in bytes.
func (o *Options) partSize(n int) int { return o.PartSize * growth(n) }

// growth is how much larger than the first an object's nth part is. Stores such
// as Cloudflare R2 want all parts but the last of one size, so they grow only
// where the object would not fit otherwise.
func growth(n int) int {
	const equal, step = 9000, 250
	if n <= equal {
		return 1
	}
	return 2 << ((n - equal - 1) / step)
}
